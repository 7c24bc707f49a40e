#!/usr/bin/env bash
# A node: process 1 of namespaces that cluster.sh makes. Ends with everything in it when that is killed. The first node has
# the control plane and DNS too.
#
# node.sh NUMBER STATE BIN IMAGES
set -euo pipefail

number=$1 state=$2 bin=$3 images=$4
here=$(cd "$(dirname "$0")" && pwd)
. "$here/steps.sh"
. "$here/network.sh"
. "$here/control-plane.sh"
name=node$number folder=$state/node$number
address=$(node_address "$number")
dns=$(node_address 1)

main() {
    mkdir -p "$folder"/{cni,containerd,kubelet,logs}
    namespaces
    control_groups
    unpacked_images
    start_containerd
    if [ "$number" = 1 ]; then
        control_plane "$address" 6443 2379 --advertise-address="$address"
        storage_class
        start_dns
        touch "$state/control-plane/up"
    else
        wait_until "control plane" test -e "$state/control-plane/up"
    fi
    kubeconfig "$name" >"$folder/kubeconfig"
    start_kubelet
    start_proxy
    start_disks
    wait_until "containerd" ctr version
    wait_until "ready node $name" kubectl wait --for=condition=Ready "node/$name" --timeout=30s
    [ "$number" != 1 ] || wait_until "DNS" curl --silent --fail http://127.0.0.1:8181/ready
    touch "$folder/ready"
    say "$name is ready"
    # Reaps what is left to process 1.
    while :; do wait -n || sleep 1; done
}

namespaces() {
    local folder other
    hostname "$name"
    # Of those that programs have of the machine, whatever they are told.
    for folder in /run /var/log /var/lib/cni /var/lib/kubelet; do
        mkdir -p $folder
        mount -t tmpfs tmpfs $folder
    done
    mkdir -p /run/lock /run/volumes
    ip link set lo up
    wait_until "link to the bridge" ip link show eth0
    ip addr add "$address/24" dev eth0
    ip link set eth0 up
    ip route add default via "$host_address"
    for other in $(seq "$most_nodes"); do
        [ "$other" = "$number" ] || ip route add "$(node_pods "$other")" via "$(node_address "$other")"
    done
    echo 1 >/proc/sys/net/ipv4/ip_forward
}

# In version 1 there is a tree for each controller, and a new group of processors has none.
control_groups() {
    local tree file
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mkdir -p "/sys/fs/cgroup/$cgroup$number"
        return
    fi
    for tree in /sys/fs/cgroup/*/; do mkdir -p "$tree$cgroup$number"; done
    for file in cpuset.cpus cpuset.mems; do
        cat /sys/fs/cgroup/cpuset/$file >"/sys/fs/cgroup/cpuset/$cgroup$number/$file"
    done
}

# Layers are never written to, so that all nodes share their files; databases are.
unpacked_images() {
    local file
    cp -al "$images/." "$folder/containerd/"
    (cd "$images" && find . -name '*.db') | while read -r file; do
        cp --remove-destination "$images/$file" "$folder/containerd/$file"
    done
}

start_containerd() {
    cat >"$folder/containerd.toml" <<TOML
version = 2
root = "$folder/containerd"
state = "/run/containerd"
disabled_plugins = [
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "kafka-operator.e2e/pause:1"
# Lowering a score needs CAP_SYS_RESOURCE, which a container that this runs in may lack.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$folder/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
TOML
    cat >"$folder/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
    "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
    "ipam": {"type": "host-local", "dataDir": "/run/pod-addresses",
        "ranges": [[{"subnet": "$(node_pods "$number")"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
    start "$name-containerd" containerd --config "$folder/containerd.toml" --log-level warn
}

start_dns() {
    kubeconfig dns >"$folder/dns.kubeconfig"
    cat >"$folder/Corefile" <<DNS
cluster.local:53 in-addr.arpa:53 {
    bind $dns
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {
        kubeconfig $folder/dns.kubeconfig
        pods insecure
        ttl 1
    }
}
DNS
    start coredns "$bin/coredns" -conf "$folder/Corefile"
}

storage_class() {
    kubectl create -f - >/dev/null <<'YAML'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kafka-operator.e2e/disk
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
reclaimPolicy: Delete
YAML
}

start_kubelet() {
    echo "nameserver $dns" >"$folder/resolv.conf"
    cat >"$folder/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup$number
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [$dns]
clusterDomain: cluster.local
resolvConf: $folder/resolv.conf
podLogsDir: $folder/logs
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
enforceNodeAllocatable: []
eventRecordQPS: 0
YAML
    start "$name-kubelet" "$bin/kubelet" --config="$folder/kubelet.yaml" --kubeconfig="$folder/kubeconfig" \
        --root-dir="$folder/kubelet" --cert-dir="$folder/kubelet/certificates" \
        --hostname-override="$name" --node-ip="$address" \
        --node-labels="topology.kubernetes.io/region=local,topology.kubernetes.io/zone=zone$number"
}

start_proxy() {
    kubeconfig proxy >"$folder/proxy.kubeconfig"
    # The table of connections belongs to the machine, and can't be sized from within a network namespace.
    cat >"$folder/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $folder/proxy.kubeconfig}
mode: iptables
clusterCIDR: $pods
hostnameOverride: $name
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 100ms}
YAML
    start "$name-kube-proxy" "$bin/kube-proxy" --config="$folder/proxy.yaml"
}

start_disks() {
    kubeconfig disks >"$folder/disks.kubeconfig"
    start "$name-disks" "$bin/disks" -kubeconfig "$folder/disks.kubeconfig" -node "$name" \
        -files "$folder" -mounts /run/volumes
}

main
