# Sourced by the scripts beside it: the cluster's addresses, and what of it is outside the nodes' namespaces: a bridge, a
# link for each node, routes, control groups. All of it has fixed names, so that one cluster runs at a time on a machine.
# shellcheck shell=bash disable=SC2034 # others use these
# shellcheck source=SCRIPTDIR/../cache.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cache.sh"

bridge=kafka-k8s
host_address=10.214.0.1
services=10.96.0.0/16
pods=10.244.0.0/16
cgroup=kafka-operator-node
most_nodes=9

# The lock on that; whoever runs a cluster holds it.
cluster_lock=$cache/kubernetes.lock

node_address() { echo "10.214.0.$(($1 + 1))"; }
node_pods() { echo "10.244.$1.0/24"; }

# From the host pods, Services and nodes are all reached.
make_bridge() {
    ip link add $bridge type bridge
    ip addr add $host_address/24 dev $bridge
    ip link set $bridge up
    ip route add $services via "$(node_address 1)"
}

# attach NODE PID: a link between the bridge and the namespace of a process.
attach() {
    ip link add "$bridge$1" type veth peer name eth0 netns "$2"
    ip link set "$bridge$1" master $bridge up
    ip route add "$(node_pods "$1")" via "$(node_address "$1")"
}

# What a cluster leaves behind, however it ended. Only under the lock.
clean_machine() {
    local link group
    for link in /sys/class/net/"$bridge"*; do
        ip link del "${link##*/}" 2>/dev/null || true
    done
    for group in /sys/fs/cgroup/*/"$cgroup"* /sys/fs/cgroup/"$cgroup"*; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}
