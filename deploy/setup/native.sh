#!/usr/bin/env bash
# What builds the C++ of LightGBM, which grows the ranker's trees: cmake (3.28 or later) and libclang, out of their wheels on PyPI, so that a
# machine needs no packages of its own for it.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(cmake==3.31.10 libclang==18.1.1)
venv="$ABOVEFOLD_CACHE/native-venv"
stamp="$venv/.abovefold-stamp"

complete() {
    local site
    for site in "$venv"/lib/python3.*/site-packages; do
        [ -x "$site/cmake/data/bin/cmake" ] && [ -e "$site/clang/native/libclang.so" ] && return 0
    done
    return 1
}

[ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ] && complete && exit 0
alone native
if ! complete; then
    say "fetching cmake and libclang (60 MB) into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --no-deps "${packages[@]}" >&2 ||
        die "pip could not install ${packages[*]}; is PyPI in reach?"
    complete || die "the wheels hold other files than expected; see $venv"
fi
printf '%s' "${packages[*]}" >"$stamp"
