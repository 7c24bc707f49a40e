#!/usr/bin/env bash
# Runs a cluster until it is killed; all of it ends with this process, however that ends. What it is doing goes to standard
# output; when the cluster is ready there is a file `kubeconfig` in its folder.
#
# NODES=3 e2e/kubernetes/cluster.sh FOLDER
#   NODES=0 is a control plane alone, of which any number run at once; its pods stay pending. Nodes need root, and images
#   that `make images` has built.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/steps.sh"
. "$here/network.sh"
. "$here/control-plane.sh"
state=$(realpath -m "$1") nodes=${NODES:-3}
images=$here/../../target/images/unpacked

main() {
    local able
    case $nodes in [0-$most_nodes]) ;; *) fail "NODES is \`$nodes\`, and can be 0 to $most_nodes" ;; esac
    bin=$("$here/install.sh")
    if [ "$nodes" != 0 ]; then
        able=$("$here/able.sh") || fail "$able"
        [ -d "$images" ] || fail "there are no images: run \`make images\`"
        take_turn
        clean_machine
    fi
    "$here/down.sh" "$state"
    mkdir -p "$state/log" "$state/control-plane"
    echo "$$ $(identity $$)" >"$state/processes"
    if [ "$nodes" = 0 ]; then
        alone
    else
        with_nodes
    fi
    kubeconfig admin >"$state/kubeconfig.new"
    mv "$state/kubeconfig.new" "$state/kubeconfig"
    say "ready"
    # Whatever ends first: none of them does in a cluster that is well.
    wait -n || true
    fail "a part of the cluster has ended; logs are in $state/log"
}

take_turn() {
    mkdir -p "$(dirname "$cluster_lock")"
    exec 8>>"$cluster_lock"
    if ! flock --nonblock 8; then
        say "waiting for the end of another cluster: $(cat "$cluster_lock")"
        flock 8
    fi
    echo "process $$, files in $state" >"$cluster_lock"
}

alone() {
    local port
    port=$(free_ports)
    control_plane 127.0.0.1 "$port" $((port + 1)) --bind-address=127.0.0.1 --endpoint-reconciler-type=none
}

# The first of three ports in a row that nobody listens on.
free_ports() {
    local port
    while port=$((20000 + RANDOM % 10000)); do
        ss -Htln "sport >= :$port and sport <= :$((port + 2))" | grep -q . || break
    done
    echo $port
}

with_nodes() {
    local number init
    make_bridge
    for number in $(seq "$nodes"); do
        start "node$number" unshare --mount --propagation private --net --pid --uts --ipc --fork --kill-child --mount-proc \
            bash "$here/node.sh" "$number" "$state" "$bin" "$images"
        init=$!
        wait_until "process 1 of node$number" pgrep --parent $init
        attach "$number" "$(pgrep --parent $init)"
    done
    for number in $(seq "$nodes"); do
        until [ -e "$state/node$number/ready" ]; do
            jobs -r | wc -l | grep -q "^$nodes$" || {
                tail -n 20 "$state"/log/node?.log >&2
                fail "a node has ended"
            }
            sleep 0.1
        done
    done
    cat "$state"/log/node?.log
}

fail() {
    echo "e2e/kubernetes/cluster.sh: $*" >&2
    exit 1
}

main
