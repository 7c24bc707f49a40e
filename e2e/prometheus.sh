#!/usr/bin/env bash
# Prints the file of a program of Prometheus', from Debian's package where it is not installed. Safe when run several times at
# once.
#
# Usage: e2e/prometheus.sh prometheus|promtool
set -euo pipefail

program=${1:?which program of Prometheus}
# shellcheck source=SCRIPTDIR/cache.sh
. "$(dirname "$0")/cache.sh"

main() {
    command -v "$program" && return
    once prometheus get_package
    echo "$cache/prometheus/$program"
}

# The package would start a Prometheus when it is installed, so it is unpacked only; the pages of its user interface go with it.
get_package() {
    echo "fetching Prometheus"
    cd "$1"
    { download && dpkg-deb -x prometheus_*.deb package; } || {
        echo "$0: $program is missing and could not be fetched; install Prometheus 2.42 or later and run this again"
        exit 1
    }
    mv package/usr/bin/* package/usr/share/prometheus/web .
    rm -r package prometheus_*.deb
}

# Lists of packages that are missing or old are fetched first.
download() {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    apt-get download -qq prometheus 2>/dev/null || {
        # shellcheck disable=SC2086 # no word or two
        $as_root apt-get update -qq && apt-get download -qq prometheus
    }
}

main
