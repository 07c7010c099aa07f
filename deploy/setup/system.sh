#!/usr/bin/env bash
# Sees to the programs and headers that come from the operating system.
#
#   system.sh build|test|peers|lint...
#
# What is missing is named with the Debian package that brings it. As root on Debian (or its like) it is installed here;
# otherwise one line says what to install, and the status is 1. Only for `test` it stays 0, since a test that lacks its
# server or tool is skipped and says so (with CI=true that is a failure in the end).
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

missing=()

# need PACKAGE COMMAND...: the package is missing unless the command succeeds.
need() {
    local package="$1"
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has() {
    command -v "$1"
}

has_node() {
    # Vite 8 wants Node 20.19 or later.
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

has_java() {
    java -version 2>&1 | grep -Eq 'version "(1[7-9]|[2-9][0-9])'
}

look() {
    case "$1" in
        build)
            need build-essential has c++
            need pkg-config has pkg-config
            need libssl-dev test -e /usr/include/openssl/ssl.h
            need zlib1g-dev test -e /usr/include/zlib.h
            need python3 has python3
            need python3-venv python3 -c 'import venv, ensurepip'
            need nodejs has node
            need npm has npm
            ;;
        test)
            need openjdk-17-jre-headless has_java
            need maven has mvn
            need redis-server has redis-server
            need kcat has kcat
            need chromium has "${ABOVEFOLD_CHROMIUM:-chromium}"
            ;;
        peers)
            need openjdk-17-jdk-headless has javac
            ;;
        lint)
            need shellcheck has shellcheck
            need docker-compose has_compose
            need python3-yaml /usr/bin/python3 -c 'import yaml'
            ;;
        *) die "not a kind of set-up: $1 (build, test, peers and lint are)" ;;
    esac
}

has_compose() {
    docker compose version || docker-compose version
}

install() {
    local policy=/usr/sbin/policy-rc.d
    say "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Installing Redis must not start one as a service: the port is wanted for ours.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        # shellcheck disable=SC2064
        trap "rm -f $policy" EXIT
    fi
    apt-get update -qq >&2
    # fonts-liberation: a page without a font would be measured wrongly.
    apt-get install -y -qq --no-install-recommends "${missing[@]}" fonts-liberation >&2
}

for kind in "$@"; do look "$kind"; done

if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        alone system
        install
        missing=()
        for kind in "$@"; do look "$kind"; done
        [ "${#missing[@]}" -eq 0 ] || die "still missing after the installation: ${missing[*]}"
    elif [ "$*" = test ]; then
        say "missing on this machine, so that some tests are skipped; install with: apt-get install ${missing[*]}"
    else
        die "missing on this machine; install with: apt-get install ${missing[*]}"
    fi
fi

for kind in "$@"; do
    [ "$kind" = build ] || continue
    command -v cargo >/dev/null || die "no cargo: install Rust 1.95 or later with rustup"
    has_node || die "Node $(node --version) is too old for the page's build: 20.19 or later is needed"
done
