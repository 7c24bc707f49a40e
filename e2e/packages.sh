# Sourced by scripts that need programs which Debian has packages of.
# shellcheck shell=sh
missing=

# need PROGRAM PACKAGE: of a program that may not be there yet, by its name or its path.
need() { command -v "$1" >/dev/null || missing="$missing $2"; }

# Installs the packages of what is missing, or says how somebody else can.
install_missing() {
    [ -n "$missing" ] || return 0
    echo "installing$missing" >&2
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi
    # shellcheck disable=SC2086 # lists of words
    if ! { command -v apt-get && $as_root apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing; } >&2; then
        echo "$0: these packages are missing and could not be installed:$missing" >&2
        echo "  install them (Debian: apt-get install$missing) and run this again" >&2
        exit 1
    fi
    missing=
}
