#!/usr/bin/env bash
# Starts a cluster in the background, and returns when it is ready; one that runs in the same folder is ended first.
#
# Usage: [NODES=3] e2e/kubernetes/up.sh [FOLDER], by default target/kubernetes; NODES is as for cluster.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
state=$(realpath -m "${1:-$here/../../target/kubernetes}")
log=$state/log/cluster.log

"$here/down.sh" "$state"
mkdir -p "$state/log"
setsid "$here/cluster.sh" "$state" </dev/null >"$log" 2>&1 &
cluster=$!
tail --follow --lines=+1 --pid=$cluster "$log" &
shown=$!
while [ ! -e "$state/kubeconfig" ]; do
    if ! kill -0 $cluster 2>/dev/null; then
        wait $shown
        exit 1
    fi
    sleep 0.1
done
sleep 0.2 # for the last line
kill $shown
echo "export KUBECONFIG=$state/kubeconfig PATH=$("$here/install.sh"):\$PATH"
