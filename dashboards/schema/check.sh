#!/usr/bin/env bash
# Holds the dashboards in deploy/grafana against the types of Grafana's own schema: a field or a value that it does not know,
# or one that it needs and that is missing, is an error with its place. Gets the schema and a TypeScript compiler when they
# are missing.
#
# Usage: dashboards/schema/check.sh [FILE.json ...]    those of deploy/grafana when none is named
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
name=grafana-schema-$(sha256sum "$here/package-lock.json" | cut -c 1-16)
# shellcheck source=SCRIPTDIR/../../e2e/packages.sh
. "$root/e2e/packages.sh"
# shellcheck source=SCRIPTDIR/../../e2e/cache.sh
. "$root/e2e/cache.sh"
packages=$cache/$name

main() {
    local folder file
    need node nodejs
    [ -e "$packages" ] || need npm npm
    install_missing
    once "$name" get_packages
    folder=$(mktemp -d)
    # shellcheck disable=SC2064 # of this folder
    trap "rm -rf '$folder'" EXIT
    ln -s "$packages/node_modules" "$folder/node_modules"
    cp "$here/dashboard.ts" "$folder"
    [ $# -gt 0 ] || set -- "$root"/deploy/grafana/*.json
    # A literal in a source is checked for fields too many, which a file that is imported is not.
    for file in "$@"; do
        {
            echo "import type { Dashboard } from './dashboard';"
            echo 'export const dashboard: Dashboard ='
            cat "$file"
        } >"$folder/$(basename "$file" .json).ts"
    done
    # What it says is of interest when it fails. Lines are two more than in the file.
    (cd "$folder" && "$packages/node_modules/.bin/tsc" --noEmit --strict --skipLibCheck --target es2022 --module preserve \
        --types '' ./*.ts) >"$folder/said" || {
        cat "$folder/said" >&2
        echo "$0: Grafana's schema has these dashboards otherwise; line 3 is the first of a file" >&2
        exit 1
    }
}

# Exactly those of the lock file.
get_packages() {
    echo "fetching Grafana's schema"
    cp "$here/package.json" "$here/package-lock.json" "$1"
    npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --silent || {
        echo "$0: Grafana's schema could not be fetched; what npm said is above"
        exit 1
    }
}

main "$@"
