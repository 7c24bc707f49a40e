#!/usr/bin/env bash
# Builds Kubernetes once, into a folder outside the checkout, and prints that folder. Does nothing when it is there. Safe
# when run several times at once. A first build takes 7 to 15 minutes on two cores and 4 GB of disk for Go's caches.
#
# Usage: e2e/kubernetes/install.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kafka-operator
module=$here/hyperkube
version=$(sed -n 's#^require k8s.io/kubernetes v##p' "$module/go.mod")
# All that decides what is built: the module, and this script, which has the flags.
hash=$(cd "$here" && sha256sum install.sh hyperkube/go.mod hyperkube/go.sum hyperkube/*.go | sha256sum | cut -c 1-12)
target=$cache/kubernetes-$version-$hash

# shellcheck source=SCRIPTDIR/../packages.sh
. "$here/../packages.sh"
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

# shellcheck source=SCRIPTDIR/go.sh
. "$here/go.sh"

mkdir -p "$cache"
exec 9>"$cache/kubernetes-install.lock"
if ! flock --nonblock 9; then
    echo "another process builds Kubernetes; waiting for it" >&2
    flock 9
fi

if [ ! -e "$target" ]; then
    find_go "$(sed -n 's/^go //p' "$module/go.mod")"
    unfinished=$(mktemp -d "$cache/unfinished.XXXXXX")
    trap 'rm -rf "$unfinished"' EXIT
    echo "building Kubernetes $version, which takes minutes the first time" >&2
    started=$SECONDS
    said=k8s.io/component-base/version
    flags="-s -w -X $said.gitVersion=v$version -X $said.gitMajor=${version%%.*} -X $said.gitTreeState=clean"
    flags="$flags -X $said.gitMinor=$(cut -d. -f2 <<<"$version") -X k8s.io/client-go/pkg/version.gitVersion=v$version"
    (cd "$module" && CGO_ENABLED=0 GOFLAGS='-buildvcs=false' "$go" build -trimpath -ldflags "$flags" -o "$unfinished/hyperkube" .) >&2 &
    build=$!
    while sleep 1 && kill -0 $build 2>/dev/null; do
        if [ $(((SECONDS - started) % 60)) = 0 ]; then
            echo "  still building after $(((SECONDS - started) / 60)) min" >&2
        fi
    done
    wait $build || {
        echo "e2e/kubernetes/install.sh: Kubernetes $version could not be built; what Go said is above" >&2
        exit 1
    }
    for name in $("$unfinished/hyperkube" names); do ln -s hyperkube "$unfinished/$name"; done
    chmod 755 "$unfinished"
    mv "$unfinished" "$target"
    trap - EXIT
    echo "built in $((SECONDS - started)) s" >&2
fi
echo "$target"
