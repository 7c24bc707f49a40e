#!/usr/bin/env bash
# Runs what takes long: the tests on Kafka, and beside them, with what those leave of the processors, the simulation, and
# Kubernetes and its images are built. Then the tests on Kubernetes, where this machine can run one.
#
# Usage: [KUBERNETES=0] e2e/run.sh
#   KUBERNETES=0 leaves the tests on Kubernetes out, the last quarter of an hour.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
log=target/e2e/beside.log
building='' kubernetes=''

main() {
    local targets=() file
    if [ "${KUBERNETES:-1}" = 1 ] && "$here/kubernetes/able.sh"; then kubernetes=1; fi
    "$here/chromium.sh"
    # The tests on Kafka come first.
    unset KUBERNETES
    for file in "$here"/tests/*; do
        file=$(basename "$file" .rs)
        [ "$file" = truth ] || targets+=(--test "$file")
    done
    # All at once, so that nothing is built twice or beside a test. Programs are built without tests' features otherwise, and
    # with them each library once more.
    cargo build --locked --release --workspace --bins "${targets[@]}" --test truth --test simulation
    mkdir -p "$(dirname "$log")"
    # A process group of its own, to be ended as a whole.
    set -m
    beside >"$log" 2>&1 &
    set +m
    building=$!
    trap 'kill -- -$building 2>/dev/null || true' EXIT
    tests "${targets[@]}" -- --test-threads=1 --nocapture
    # Two at a time wait as long as one.
    tests --test truth -- --test-threads=2 --nocapture
    echo "waiting for what ran beside, see $log"
    wait "$building" || {
        tail -n 60 "$log" >&2
        echo "e2e/run.sh: the end of $log is above" >&2
        exit 1
    }
    trap - EXIT
    sed -n '/ schedules/,$p' "$log"
    [ -z "$kubernetes" ] || on_kubernetes
}

# Of the whole workspace each time, for libraries would be built anew for other features.
tests() { cargo test --locked --release --workspace "$@"; }

beside() {
    chrt --idle --pid 0 "$BASHPID"
    [ -z "$kubernetes" ] || STATIC=0 "$here/kubernetes/images/build.sh"
    tests --test simulation
}

# Control planes alone need little, and run beside the cluster with nodes.
on_kubernetes() {
    export KUBERNETES=1
    tests --test kubernetes -- --test-threads=1 --nocapture
    tests --test operator -- --test-threads=3 --nocapture
}

main
