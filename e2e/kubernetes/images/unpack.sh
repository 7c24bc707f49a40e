#!/usr/bin/env bash
# Unpacks images into a folder as containerd has it, which each node takes over by hard links: at start nothing is imported.
#
# unpack.sh FOLDER IMAGE.tar...
set -euo pipefail

unfinished=$1.unfinished
rm -rf "$unfinished"
mkdir -p "$unfinished"

# In namespaces of its own, as containerd in a node is.
within() {
    mount -t tmpfs tmpfs /run
    cat >/run/containerd.toml <<TOML
version = 2
root = "$unfinished"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/containerd/containerd.sock"
TOML
    containerd --config /run/containerd.toml --log-level warn >"$unfinished/log" 2>&1 &
    for _ in $(seq 100); do
        if ctr version >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    for image in "$@"; do ctr --namespace k8s.io images import "$image" >/dev/null; done
    kill $!
    wait $! || true
}
export -f within
export unfinished
folder=$1
shift
unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc bash -euc 'within "$@"' within "$@" || {
    cat "$unfinished/log" >&2
    echo "images/unpack.sh: containerd could not unpack the images; what it said is above" >&2
    exit 1
}
# Nodes that run keep the files that they share.
rm -rf "$folder"
mv "$unfinished" "$folder"
