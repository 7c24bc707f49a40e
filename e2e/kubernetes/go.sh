# Sourced, after ../packages.sh, by scripts that build programs in Go.
# shellcheck shell=bash disable=SC2034 # go, gcflags

# Without debug information, which nobody reads and which takes a sixth of the work. What is compiled alike is compiled once: most
# of Helm's packages are Kubernetes' too.
gcflags=all=-dwarf=false

# find_go VERSION: sets `go` to a Go that is new enough: the one on the PATH, or one that the one on the PATH fetches as a
# module. Debian 12 has Go 1.19, which is too old to build what is needed here but can fetch a module.
find_go() {
    local wanted=$1 has empty toolchain
    need go golang-go
    install_missing
    has=$(cd / && go env GOVERSION)
    if printf '%s\n' "go$wanted" "$has" | sort --version-sort --check=quiet; then
        go=go
        return
    fi
    echo "fetching Go $wanted, since $has is too old" >&2
    toolchain=golang.org/toolchain@v0.0.1-go$wanted.linux-$(go env GOARCH)
    # `go mod download` wants to be in a module, of which nothing is asked.
    empty=$(mktemp -d)
    (cd "$empty" && go mod init x && go mod download "$toolchain") >/dev/null 2>&1 || {
        echo "${0##*/}: Go $wanted or newer is needed and could not be fetched; \`go\` on the PATH is $has" >&2
        exit 1
    }
    rm -r "$empty"
    toolchain=$(cd / && go env GOMODCACHE)/$toolchain
    # Files of modules are never executable.
    chmod -R u+w "$toolchain/bin" "$toolchain/pkg/tool"
    chmod +x "$toolchain"/bin/* "$toolchain"/pkg/tool/*/*
    go=$toolchain/bin/go
}
