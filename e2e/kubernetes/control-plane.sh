# Sourced by the scripts beside it: etcd, the API server, the controllers and the scheduler.
# shellcheck shell=bash disable=SC2154 # bin, services, state

# A random token for each program; what it may do is decided by its name and groups, as anywhere.
write_tokens() {
    local folder=$state/control-plane node
    {
        token admin admin '"system:masters"'
        token controllers system:kube-controller-manager '"system:masters"'
        token scheduler system:kube-scheduler ''
        token proxy system:kube-proxy ''
        token dns system:coredns '"system:masters"'
        token disks system:disks '"system:masters"'
        for node in 1 2 3 4 5 6 7 8 9; do token "node$node" "system:node:node$node" '"system:nodes"'; done
    } >"$folder/tokens.csv"
}

token() { echo "$(openssl rand -hex 16),$2,$1,$3"; }

# kubeconfig NAME: how the program of this name in tokens.csv reaches the API; all of it in one file.
kubeconfig() {
    local folder=$state/control-plane token
    token=$(awk -F, -v name="$1" '$3 == name { print $1 }' "$folder/tokens.csv")
    cat <<YAML
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "$(cat "$folder/url")", certificate-authority-data: $(base64 -w 0 "$folder/certificates/apiserver.crt")}}]
users: [{name: "$1", user: {token: $token}}]
contexts: [{name: local, context: {cluster: local, user: "$1"}}]
current-context: local
YAML
}

# What the operator asks of the API server is written to log/audit.log, once it is answered.
audit_policy() {
    cat <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - {level: Metadata, users: ["system:serviceaccount:kafka-operator:kafka-operator"]}
  - {level: None}
YAML
}

# control_plane ADDRESS PORT ETCD_PORT [FLAG...]: the API server gets the flags. ETCD_PORT and the one after it are used on
# loopback.
control_plane() {
    local address=$1 port=$2 etcd=http://127.0.0.1:$3 peers=http://127.0.0.1:$(($3 + 1)) folder=$state/control-plane name
    shift 3
    mkdir -p "$folder"
    (umask 077 && write_tokens && openssl ecparam -name prime256v1 -genkey -noout -out "$folder/accounts.key")
    openssl ec -in "$folder/accounts.key" -pubout -out "$folder/accounts.pub" 2>/dev/null
    echo "https://$address:$port" >"$folder/url"
    audit_policy >"$folder/audit.yaml"

    # Nothing of it outlives the machine: no need to wait for the disk.
    start etcd "$bin/etcd" --name local --data-dir "$folder/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
        --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "local=$peers"
    start_over_and_over kube-apiserver "$bin/kube-apiserver" --etcd-servers="$etcd" --secure-port="$port" "$@" \
        --cert-dir="$folder/certificates" --token-auth-file="$folder/tokens.csv" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged \
        --service-cluster-ip-range="$services" --kubelet-preferred-address-types=InternalIP \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$folder/accounts.pub" --service-account-signing-key-file="$folder/accounts.key" \
        --enable-priority-and-fairness=false --profiling=false \
        --audit-policy-file="$folder/audit.yaml" --audit-log-path="$state/log/audit.log"
    # Self-signed: it is the authority too.
    wait_until "certificate of the API server" test -s "$folder/certificates/apiserver.crt"
    for name in admin controllers scheduler; do kubeconfig $name >"$folder/$name.kubeconfig"; done
    start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$folder/controllers.kubeconfig" \
        --service-account-private-key-file="$folder/accounts.key" --root-ca-file="$folder/certificates/apiserver.crt" \
        --leader-elect=false --secure-port=0 --profiling=false
    start kube-scheduler "$bin/kube-scheduler" --kubeconfig="$folder/scheduler.kubeconfig" \
        --leader-elect=false --secure-port=0 --profiling=false
    wait_until "answer of the API server" ask_api /readyz
    say "the API answers at https://$address:$port"
    # Pods are refused before it is there.
    wait_until "default service account" ask_api /api/v1/namespaces/default/serviceaccounts/default
}

# ask_api PATH: as `kubectl get --raw`, in a tenth of its time.
ask_api() {
    local folder=$state/control-plane
    curl --silent --fail --max-time 5 --cacert "$folder/certificates/apiserver.crt" "$(cat "$folder/url")$1" \
        --header "Authorization: Bearer $(awk -F, '$3 == "admin" { print $1 }' "$folder/tokens.csv")"
}

kubectl() { "$bin/kubectl" --kubeconfig="$state/control-plane/admin.kubeconfig" "$@"; }
