#!/usr/bin/env bash
# Packs a folder into an OCI image of one layer, with tar and sha256sum alone. The same folder gives the same image.
#
# image.sh FOLDER NAME:TAG FILE.tar USER [ENTRYPOINT...]    USER is a number, or a name in the folder's etc/passwd
set -euo pipefail

folder=$1 name=$2 file=$(realpath -m "$3") user=$4
shift 4
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) echo "image.sh: no name for the architecture $(uname -m)" >&2 && exit 1 ;;
esac
work=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$work"' EXIT
blobs=$work/blobs/sha256
mkdir -p "$blobs"

pack() { tar --format=gnu --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 -C "$1" -cf "$2" "${@:3}"; }

# Names a file by its digest, and prints that and its size as a descriptor has them.
blob() {
    local digest
    digest=$(sha256sum "$1" | cut -d ' ' -f 1)
    mv "$1" "$blobs/$digest"
    printf '"digest": "sha256:%s", "size": %s' "$digest" "$(stat -c %s "$blobs/$digest")"
}

entrypoint=
for word in "$@"; do entrypoint="$entrypoint${entrypoint:+, }\"$word\""; done

pack "$folder" "$work/layer" .
uncompressed=$(sha256sum "$work/layer" | cut -d ' ' -f 1)
layer=$(blob "$work/layer")
cat >"$work/config" <<JSON
{"architecture": "$architecture", "os": "linux",
 "config": {"User": "$user", "Entrypoint": [$entrypoint], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$uncompressed"]}}
JSON
config=$(blob "$work/config")
type=application/vnd.oci.image
cat >"$work/manifest" <<JSON
{"schemaVersion": 2, "mediaType": "$type.manifest.v1+json",
 "config": {"mediaType": "$type.config.v1+json", $config},
 "layers": [{"mediaType": "$type.layer.v1.tar", $layer}]}
JSON
manifest=$(blob "$work/manifest")
cat >"$work/index.json" <<JSON
{"schemaVersion": 2, "manifests": [{"mediaType": "$type.manifest.v1+json", $manifest,
 "annotations": {"io.containerd.image.name": "$name", "org.opencontainers.image.ref.name": "${name##*:}"}}]}
JSON
echo '{"imageLayoutVersion": "1.0.0"}' >"$work/oci-layout"
pack "$work" "$work/image" oci-layout index.json blobs
mv "$work/image" "$file"
