#!/usr/bin/env bash
# Builds Helm once, into a folder outside the checkout, and prints its file. Does nothing when it is there. Safe when run
# several times at once. A first build takes three minutes of CPU.
#
# Usage: e2e/kubernetes/helm.sh
set -euo pipefail

# The Kubernetes in it is that of `hyperkube/go.mod`. Its content cannot change: Go's checksum database knows it.
version=3.19.5
needs_go=1.24.0

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
target=$cache/helm-$version
# shellcheck source=SCRIPTDIR/../packages.sh
. "$here/../packages.sh"
# shellcheck source=SCRIPTDIR/go.sh
. "$here/go.sh"

if [ -e "$target" ]; then
    echo "$target/helm"
    exit
fi

mkdir -p "$cache"
exec 9>"$cache/helm-install.lock"
flock 9
if [ ! -e "$target" ]; then
    find_go "$needs_go"
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    echo "building Helm $version, which takes minutes the first time" >&2
    # Not within a module of whoever calls this.
    (cd / && CGO_ENABLED=0 GOFLAGS='' GOBIN="$unfinished" "$go" install -trimpath -ldflags '-s -w' \
        "helm.sh/helm/v3/cmd/helm@v$version") >&2 || {
        echo "e2e/kubernetes/helm.sh: Helm $version could not be built; what Go said is above" >&2
        exit 1
    }
    chmod 755 "$unfinished"
    mv "$unfinished" "$target"
    trap - EXIT
fi
echo "$target/helm"
