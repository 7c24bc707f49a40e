#!/usr/bin/env bash
# The original's manifest made, resized and deleted, typed on a real Kubernetes on this machine; at the end a partition turns hot, and
# the balancer cools it while records are written. Ends with 0 when all of it did what it should.
#
# Usage: e2e/kubernetes/demo.sh, as root, after `make build images`
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
files=$(mktemp -d)
forward='' load=''
trap 'end' EXIT

end() {
    local status=$?
    [ -z "$forward$load" ] || kill $forward $load 2>/dev/null || true
    rm -rf "$files"
    [ "${KEEP:-}" = 1 ] && say "the cluster goes on; \`make kubernetes-down\` ends it" || "$here/down.sh" || true
    [ $status = 0 ] || say "the walk-through failed; logs are in target/kubernetes/log"
    exit $status
}

main() {
    chapter "A Kubernetes of four nodes"
    NODES=4 "$here/up.sh"
    export KUBECONFIG=$PWD/target/kubernetes/kubeconfig
    PATH=$("$here/install.sh"):$PWD/target/release:$PATH

    chapter "1  Deploy the operator"
    type_in kubectl apply -f deploy/operator.yaml
    within 60 "Kafkaclusters are defined" kubectl wait --for=condition=Established --timeout=1s \
        crd/kafkaclusters.krallistic.github.com

    chapter "2  Deploy ZooKeeper, and a Kafkacluster of the original's manifest with an image that still knows it"
    type_in kubectl apply -f examples/manual-zookeeper.yaml
    sed 's,cp-kafka:latest,cp-kafka:7.9.2,' examples/kafka-cluster.yaml >"$files/kafka-cluster.yaml"
    type_in kubectl apply -f "$files/kafka-cluster.yaml"
    within 300 "test-cluster-1 is ready" kubectl wait --for=condition=Ready --timeout=1s kafkacluster/test-cluster-1
    type_in kubectl get kafkacluster
    type_in kubectl get pods,service

    chapter "3  Resize it"
    type_in kubectl scale kafkacluster test-cluster-1 --replicas=4
    within 300 "there are four brokers" brokers_are test-cluster-1 4
    type_in kubectl scale kafkacluster test-cluster-1 --replicas=3
    within 300 "the fourth is empty and gone" brokers_are test-cluster-1 3
    type_in kubectl get pods

    chapter "4  Delete it"
    type_in kubectl delete -f "$files/kafka-cluster.yaml"
    within 120 "nothing of it is left" nothing_of test-cluster-1
    type_in kubectl delete -f examples/manual-zookeeper.yaml --wait=false

    chapter "5  A cluster of Kafka 4 that balances itself"
    type_in kubectl apply -f examples/kafka-cluster-demo.yaml
    within 300 "demo is ready" kubectl wait --for=condition=Ready --timeout=1s kafkacluster/demo
    within 120 "its balancer sees it" kubectl wait --for=condition=Balanced --timeout=1s kafkacluster/demo
    type_in kubectl get kafkacluster demo

    chapter "6  A partition turns hot"
    cool_a_hot_partition
}

cool_a_hot_partition() {
    local bootstrap before
    bootstrap=$(kubectl get kafkacluster demo -o 'jsonpath={.status.listeners[?(@.name=="external")].bootstrap}')
    kubectl port-forward service/demo-balancer 9405:9405 >"$files/forward" 2>&1 &
    forward=$!
    within 30 "the balancer answers" kafka-balancer status
    say "records are written: 0.6 MB/s to twelve partitions, and after 40 s five times as much to clicks-0"
    kafka-load --bootstrap "$bootstrap" --topic clicks:12 --create 2 --rate 600e3 --group readers \
        --shift 'clicks:0*5@40' --duration 160 >"$files/load" 2>"$files/load.log" &
    load=$!
    within 120 "the load shifts" grep -q '"shifted"' "$files/load"
    before=$(plans_over)
    within 120 "clicks-0 is hot" is_hot
    type_in kafka-balancer status
    within 120 "a plan is over" is_another_plan_over "$before"
    type_in kafka-balancer history
    within 120 "nothing is hot any more" is_cool
    type_in kafka-balancer status
    type_in kubectl get kafkacluster demo
    say "the witness reads every record back"
    wait $load || fail "records were lost, duplicated or out of order: $(tail -n 1 "$files/load")"
    tail -n 1 "$files/load"
}

is_hot() { kafka-balancer --output json status | grep -q '"hot_partitions": *[1-9]'; }
is_cool() { kafka-balancer --output json status | grep -q '"hot_brokers": *0'; }
plans_over() { kafka-balancer --output json history | grep -c '"imbalance_before"' || true; }
is_another_plan_over() { [ "$(plans_over)" -gt "$1" ]; }
brokers_are() {
    [ "$(kubectl get kafkacluster "$1" -o 'jsonpath={.status.brokerCount} {.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Progressing")].status}')" = "$2 True False" ]
}
nothing_of() { [ -z "$(kubectl get pods,services,configmaps,statefulsets,deployments -l "name=$1" -o name)" ]; }

chapter() { printf '\n\033[1m%s\033[0m\n' "$*"; }
say() { printf '# %s\n' "$*"; }
type_in() {
    printf '$ %s\n' "${*//$files\//}"
    "$@"
}

# within SECONDS WHAT COMMAND...: waits for the command to succeed, and says every ten seconds that it waits.
within() {
    local seconds=$1 what=$2 start=$SECONDS told=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $((SECONDS - start)) -lt "$seconds" ] || {
            kubectl get pods,kafkaclusters -A -o wide || true
            fail "not within $seconds s: $what"
        }
        [ $((SECONDS - told)) -lt 10 ] || { told=$SECONDS && say "… $what (waiting for $((SECONDS - start)) s)"; }
        sleep 0.3
    done
    say "$what, after $((SECONDS - start)) s"
}

fail() {
    echo "e2e/kubernetes/demo.sh: $*" >&2
    exit 1
}

main
