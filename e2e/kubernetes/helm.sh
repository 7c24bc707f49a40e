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
# shellcheck source=SCRIPTDIR/../packages.sh
. "$here/../packages.sh"
# shellcheck source=SCRIPTDIR/../cache.sh
. "$here/../cache.sh"
# shellcheck source=SCRIPTDIR/go.sh
. "$here/go.sh"

build() {
    find_go "$needs_go"
    echo "building Helm $version, which takes minutes the first time"
    # Not within a module of whoever calls this.
    (cd / && CGO_ENABLED=0 GOFLAGS='' GOBIN="$1" "$go" install -trimpath -gcflags "$gcflags" -ldflags '-s -w' \
        "helm.sh/helm/v3/cmd/helm@v$version") || {
        echo "e2e/kubernetes/helm.sh: Helm $version could not be built; what Go said is above"
        exit 1
    }
}

once "helm-$version" build
echo "$cache/helm-$version/helm"
