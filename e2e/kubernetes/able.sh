#!/usr/bin/env bash
# Says whether this machine can run nodes, and what keeps it from that; ends with 1 when something does.
#
# Usage: e2e/kubernetes/able.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/network.sh"

no() {
    echo "this machine cannot run nodes: $*"
    exit 1
}

[ "$(id -u)" = 0 ] || no "that takes root; a control plane alone (NODES=0) does not"
unshare --mount --net --pid --uts --ipc --fork true 2>/dev/null || no "namespaces cannot be made here (unshare)"
# In a namespace of its own, so that nothing is left of it.
unshare --net ip link add "$bridge" type bridge 2>/dev/null || no "a bridge cannot be made (ip link)"
losetup --find >/dev/null 2>&1 || no "there is no loop device, which volumes are made of (losetup)"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then tree=/sys/fs/cgroup; else tree=/sys/fs/cgroup/memory; fi
trap 'rmdir "$tree/$cgroup-able$$" 2>/dev/null || true' EXIT
mkdir "$tree/$cgroup-able$$" 2>/dev/null || no "control groups cannot be made in $tree"
echo "this machine can run nodes"
