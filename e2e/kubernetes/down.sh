#!/usr/bin/env bash
# Ends the cluster whose files are in a folder, or what an unclean end has left of it, and removes the files but the logs.
#
# Usage: e2e/kubernetes/down.sh [FOLDER], by default target/kubernetes
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/steps.sh"
. "$here/network.sh"
state=$(realpath -m "${1:-$here/../../target/kubernetes}")

# Whether it runs, and is not another process that has its id now.
runs() { [ -n "${2:-}" ] && [ "$(identity "$1")" = "$2" ]; }

if [ -s "$state/processes" ]; then
    # The first one takes the others with it, by the kernel's doing.
    while read -r process identity; do
        ! runs "$process" "$identity" || kill -KILL "$process" 2>/dev/null || true
    done <"$state/processes"
    while read -r process identity; do
        wait_until "end of process $process" eval "! runs $process $identity"
    done <"$state/processes"
fi
# Nodes take a moment to end after the processes that made them. Who starts a cluster has the lock already, and hands it on.
if [ -d "$state/node1" ]; then
    { : >&8; } 2>/dev/null || exec 8>>"$cluster_lock"
    if flock --timeout 20 8; then clean_machine; fi
fi
if [ -d "$state" ]; then
    find "$state" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
fi
