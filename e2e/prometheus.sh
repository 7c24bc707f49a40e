#!/usr/bin/env bash
# Prints the file of a program of Prometheus', from Debian's package where it is not installed. Safe when run several times at
# once.
#
# Usage: e2e/prometheus.sh prometheus|promtool
set -euo pipefail

program=${1:?which program of Prometheus}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
target=$cache/prometheus

main() {
    command -v "$program" && return
    [ -e "$target" ] || get_package
    echo "$target/$program"
}

# The package would start a Prometheus when it is installed, so it is unpacked only.
get_package() {
    local unfinished
    command -v dpkg-deb >/dev/null || fail
    mkdir -p "$cache"
    exec 9>"$cache/prometheus.lock"
    flock 9
    [ ! -e "$target" ] || return 0
    echo "fetching Prometheus" >&2
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    # shellcheck disable=SC2064 # of this folder
    trap "rm -rf '$unfinished'" EXIT
    (cd "$unfinished" && download && dpkg-deb -x prometheus_*.deb unpacked) >&2 || fail
    mkdir "$unfinished/programs"
    # The pages of its user interface go with it.
    mv "$unfinished/unpacked/usr/bin"/* "$unfinished/unpacked/usr/share/prometheus/web" "$unfinished/programs"
    mv "$unfinished/programs" "$target"
}

# Lists of packages that are missing or old are fetched first.
download() {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    apt-get download -qq prometheus 2>/dev/null || {
        # shellcheck disable=SC2086 # no word or two
        $as_root apt-get update -qq
        apt-get download -qq prometheus
    }
}

fail() {
    echo "$0: $program is missing and could not be fetched; install Prometheus 2.42 or later and run this again" >&2
    exit 1
}

main
