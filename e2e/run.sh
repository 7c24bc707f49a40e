#!/usr/bin/env bash
# Runs all end-to-end tests: those on Kafka first, and beside them, with what they leave of the processors, Kubernetes and its
# images are built. Then those on Kubernetes, where this machine can run one; where it cannot, they say why.
#
# Usage: e2e/run.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
export STATIC=0

tests() { cargo test --locked -p e2e --release "$@"; }

# Nothing else is to be built meanwhile.
tests --no-run
building='' log=target/e2e/images.log
if "$here/kubernetes/able.sh" >/dev/null; then
    mkdir -p target/e2e
    # A process group of its own, to be ended as a whole.
    set -m
    chrt --idle 0 "$here/kubernetes/images/build.sh" >"$log" 2>&1 &
    set +m
    building=$!
    trap 'kill -- -$building 2>/dev/null || true' EXIT
fi
tests -- --test-threads=1 --nocapture
[ -n "$building" ] || exit 0
echo "waiting for Kubernetes and its images, see $log"
wait "$building" || {
    tail -n 20 "$log" >&2
    echo "e2e/run.sh: images could not be built; the end of $log is above" >&2
    exit 1
}
trap - EXIT
# Control planes alone need little, and run beside the cluster with nodes.
export KUBERNETES=1
tests --test kubernetes -- --test-threads=1 --nocapture
tests --test operator -- --test-threads=3 --nocapture
