#!/usr/bin/env bash
# Builds Kubernetes once, into a folder outside the checkout, and prints that folder. Does nothing when it is there. Safe
# when run several times at once. A first build takes 7 to 15 minutes on two cores and 4 GB of disk for Go's caches.
#
# Usage: e2e/kubernetes/install.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
module=$here/hyperkube
version=$(sed -n 's#^require k8s.io/kubernetes v##p' "$module/go.mod")
# All that decides what is built: the module, and the scripts that have the flags.
hash=$(cd "$here" && sha256sum install.sh go.sh hyperkube/go.mod hyperkube/go.sum hyperkube/*.go | sha256sum | cut -c 1-12)

# shellcheck source=SCRIPTDIR/../packages.sh
. "$here/../packages.sh"
# shellcheck source=SCRIPTDIR/../cache.sh
. "$here/../cache.sh"
# shellcheck source=SCRIPTDIR/go.sh
. "$here/go.sh"

main() {
    need containerd containerd
    need runc runc
    need /usr/lib/cni/bridge containernetworking-plugins
    need iptables iptables
    need conntrack conntrack
    need ip iproute2
    need openssl openssl
    need curl curl
    need setpriv util-linux
    need losetup mount
    need mkfs.xfs xfsprogs
    install_missing
    once "kubernetes-$version-$hash" build
    echo "$cache/kubernetes-$version-$hash"
}

build() {
    local said=k8s.io/component-base/version flags building started=$SECONDS name
    find_go "$(sed -n 's/^go //p' "$module/go.mod")"
    echo "building Kubernetes $version, which takes minutes the first time"
    flags="-s -w -X $said.gitVersion=v$version -X $said.gitMajor=${version%%.*} -X $said.gitTreeState=clean"
    flags="$flags -X $said.gitMinor=$(cut -d. -f2 <<<"$version") -X k8s.io/client-go/pkg/version.gitVersion=v$version"
    (cd "$module" && CGO_ENABLED=0 GOFLAGS='-buildvcs=false' "$go" build -trimpath -gcflags "$gcflags" -ldflags "$flags" -o "$1/hyperkube" .) &
    building=$!
    while sleep 1 && kill -0 $building 2>/dev/null; do
        if [ $(((SECONDS - started) % 60)) = 0 ]; then
            echo "  still building after $(((SECONDS - started) / 60)) min"
        fi
    done
    wait $building || {
        echo "e2e/kubernetes/install.sh: Kubernetes $version could not be built; what Go said is above"
        exit 1
    }
    for name in $("$1/hyperkube" names); do ln -s hyperkube "$1/$name"; done
    echo "built in $((SECONDS - started)) s"
}

main
