#!/usr/bin/env bash
# The two cargo tools of `make lint`, built from crates.io into the cache folder, once.
#
#   tools.sh cargo-machete | cargo-deny
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case "${1:-}" in
    cargo-machete) version=0.9.2 ;;
    cargo-deny) version=0.20.2 ;;
    *) die "not a tool of ours: ${1:-}" ;;
esac
root="$ABOVEFOLD_CACHE/cargo-tools"
stamp="$root/.abovefold-$1-$version"
[ -f "$stamp" ] && [ -x "$root/bin/$1" ] && exit 0
alone "$1"
[ -f "$stamp" ] && [ -x "$root/bin/$1" ] && exit 0
say "building $1 $version (once)"
build="$(mktemp -d "$ABOVEFOLD_CACHE/build.XXXXXX")"
trap 'rm -rf "$build"' EXIT
# Fast to build rather than fast to run.
CARGO_TARGET_DIR="$build" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --root "$root" "$1@$version" >&2 9>&- || die "$1 $version could not be built"
touch "$stamp"
