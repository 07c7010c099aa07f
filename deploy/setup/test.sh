#!/usr/bin/env bash
# Every test that this machine can run; ends with one line `N passed, N failed, N skipped`. Further words go to cargo test.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

"$here/build.sh"
"$here/servers.sh"
# One test each needs them; without them that test says so.
"$here/sklearn.sh" || true
"$here/schemathesis.sh" || true
eval "$("$here/env.sh")"
cd "$checkout"

# Tests of one crate start servers and train networks; more threads than this would make them wait for each other's.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-2}" NO_COLOR=1

commands=("cargo test=cargo test --release --workspace --locked --no-fail-fast --color never $* -- --show-output")
has_script() {
    [ -f site/package-lock.json ] && node -e 'process.exit(require("./site/package.json").scripts?.[process.argv[1]] ? 0 : 1)' "$1"
}
# Words for cargo test choose among its tests: the page's are then left out.
if [ $# -eq 0 ]; then
    if has_script test; then commands+=("page tests=cd site && npm run --silent test"); fi
    if has_script e2e; then
        if [ -n "${ABOVEFOLD_CHROMIUM:-}" ]; then
            commands+=("browser tests=$here/browser-tests.sh target/release/abovefold")
        else
            commands+=("browser tests=echo 'SKIP page e2e: no browser (Debian package chromium)'")
        fi
    fi
fi
exec python3 "$here/tally.py" --log "$ABOVEFOLD_CACHE/logs/test.log" "${commands[@]}"
