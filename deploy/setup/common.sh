# Shared by the set-up scripts of this folder; sourced, never run.
# shellcheck shell=bash

ABOVEFOLD_CACHE="${ABOVEFOLD_CACHE:-$HOME/.cache/abovefold}"
# shellcheck disable=SC2034
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)"
mkdir -p "$ABOVEFOLD_CACHE"
ABOVEFOLD_CACHE="$(cd "$ABOVEFOLD_CACHE" && pwd -P)"
export ABOVEFOLD_CACHE

say() {
    printf 'setup: %s\n' "$*" >&2
}

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# alone NAME: two set-ups at once take turns, so that neither sees the other's half-made folder.
alone() {
    exec 9>"$ABOVEFOLD_CACHE/.$1.lock"
    command -v flock >/dev/null || return 0
    flock 9
}

# maven GOAL...: quiet, with its downloads in the cache folder.
maven() {
    mvn -q -B -Dstyle.color=never "-Dmaven.repo.local=$ABOVEFOLD_CACHE/maven" "$@" 9>&-
}

# python_with NAME PACKAGE==VERSION...: a virtual environment in the cache folder with these packages and what they need, once.
python_with() {
    local name="$1" venv="$ABOVEFOLD_CACHE/$1-venv"
    local stamp="$venv/.abovefold-stamp"
    shift
    [ "$(cat "$stamp" 2>/dev/null)" = "$*" ] && return 0
    alone "$name"
    [ "$(cat "$stamp" 2>/dev/null)" = "$*" ] && return 0
    say "fetching $1 into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --only-binary :all: "$@" >&2 9>&- ||
        die "pip could not install $1; is PyPI in reach?"
    printf '%s' "$*" >"$stamp"
}
