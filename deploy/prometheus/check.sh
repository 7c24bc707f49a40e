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
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
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
    local python=python3
    # Debian's package is for Debian's Python, which may not be the first on the PATH.
    "$python" -c 'import yaml' 2>/dev/null || python=/usr/bin/python3
    "$python" -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
    install_missing
    find_promtool
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

# Debian's package of it would start a Prometheus when it is installed, so it is unpacked only.
find_promtool() {
    local unfinished
    promtool=$(command -v promtool || true)
    [ -z "$promtool" ] || return 0
    promtool=$cache/promtool
    [ ! -e "$promtool" ] || return 0
    command -v dpkg-deb >/dev/null || {
        echo "$0: promtool is missing; install Prometheus 2.42 or later and run this again" >&2
        exit 1
    }
    echo "fetching promtool" >&2
    mkdir -p "$cache"
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    # shellcheck disable=SC2064 # of this folder
    trap "rm -rf '$unfinished'" EXIT
    (cd "$unfinished" && fetch_package prometheus && dpkg-deb -x prometheus_*.deb unpacked) >&2 || {
        echo "$0: promtool could not be fetched; install Prometheus 2.42 or later and run this again" >&2
        exit 1
    }
    mv "$unfinished/unpacked/usr/bin/promtool" "$promtool"
}

# Into the current folder. Lists of packages that are missing or old are fetched first.
fetch_package() {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    apt-get download -qq "$1" 2>/dev/null || {
        # shellcheck disable=SC2086 # no word or two
        $as_root apt-get update -qq
        apt-get download -qq "$1"
    }
}

main "$@"
