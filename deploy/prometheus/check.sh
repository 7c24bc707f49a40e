#!/usr/bin/env bash
# Holds Prometheus' rules to what they promise: they parse, each alert has a test in which it fires and one in which it does
# not, a severity, a summary and a page in docs/runbooks, asks for metrics that there are, and is the same for the Prometheus
# operator. Gets promtool when it is missing.
#
# Usage: deploy/prometheus/check.sh           check
#        deploy/prometheus/check.sh --write   write prometheus-rule.yaml from rules.yaml
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=SCRIPTDIR/../../e2e/packages.sh
. "$root/e2e/packages.sh"

main() {
    case ${1:-} in
    '') check ;;
    --write) as_object >"$here/prometheus-rule.yaml" ;;
    *)
        sed -n 's/^# Usage: /usage: /p; s/^#        deploy/       deploy/p' "$0" >&2
        exit 64
        ;;
    esac
}

check() {
    local python=python3 promtool
    # Debian's package is for Debian's Python, which may not be the first on the PATH.
    "$python" -c 'import yaml' 2>/dev/null || python=/usr/bin/python3
    "$python" -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
    install_missing
    promtool=$("$root/e2e/prometheus.sh" promtool)
    as_object | diff -u "$here/prometheus-rule.yaml" - || {
        echo "$0: prometheus-rule.yaml is not what rules.yaml says; write it anew: $0 --write" >&2
        exit 1
    }
    "$python" "$here/complete.py" "$root"
    quietly "$promtool" check rules "$here/rules.yaml"
    quietly "$promtool" test rules "$here"/tests/*.yaml
}

# quietly PROGRAM...: what it says is of interest when it fails.
quietly() {
    local said
    said=$("$@" 2>&1) || {
        echo "$said" >&2
        exit 1
    }
}

# The rules as the Prometheus operator takes them.
as_object() {
    cat <<'HEAD'
# rules.yaml for the Prometheus operator: kubectl apply -f deploy/prometheus/prometheus-rule.yaml. Written from it by
# deploy/prometheus/check.sh --write; change that one. A Prometheus that selects rules by labels wants them in `metadata.labels`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kafka-operator
  namespace: kafka-operator
  labels:
    app.kubernetes.io/name: kafka-operator
spec:
HEAD
    sed -n '/^groups:/,$ { s/^\(.\)/  \1/; p; }' "$here/rules.yaml"
}

main "$@"
