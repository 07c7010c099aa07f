#!/usr/bin/env bash
# Every check that needs no running program. Prints one line per check, and the whole output of one that fails.
# The checks are called by name.
# shellcheck disable=SC2317
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

"$here/system.sh" build lint
"$here/torch.sh"
"$here/native.sh"
"$here/site.sh"
eval "$("$here/env.sh")"
cd "$checkout"
output="$(mktemp)"
trap 'rm -f "$output"' EXIT
failed=0

# check NAME COMMAND...
check() {
    local name="$1"
    shift
    if "$@" >"$output" 2>&1; then
        printf 'ok      %s\n' "$name"
    else
        cat "$output"
        printf 'FAILED  %s: %s\n' "$name" "$*"
        failed=1
    fi
}

check_shell() {
    git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 shellcheck --external-sources --source-path="$checkout"
}

check_compose() {
    # Values that a deployment must give; any will do for the check.
    if docker compose version >/dev/null 2>&1; then
        docker compose -f deploy/compose.yaml config -q
    else
        docker-compose -f deploy/compose.yaml config -q
    fi
}

check_doc() {
    RUSTDOCFLAGS=-Dwarnings cargo doc -q --release --workspace --no-deps --locked
}

# The advisory database would have to be fetched from a place that is often out of reach; the rest is checked.
check_deny() {
    "$here/tools.sh" cargo-deny
    PATH="$ABOVEFOLD_CACHE/cargo-tools/bin:$PATH" cargo deny --locked --log-level error check bans licenses sources
}

check_machete() {
    "$here/tools.sh" cargo-machete
    "$ABOVEFOLD_CACHE/cargo-tools/bin/cargo-machete" .
}

check 'cargo fmt' cargo fmt --all -- --check
check 'style: lengths of files, blanks, words' python3 "$here/style.py"
check 'faults of make mutants have their place' python3 "$here/mutants.py" --check
check shellcheck check_shell
check 'compose.yaml: the tool' check_compose
check 'compose.yaml and Dockerfile: what they name exists' /usr/bin/python3 "$here/check_deploy.py"
check 'cargo clippy' cargo clippy -q --release --workspace --all-targets --locked -- -D warnings
check 'cargo doc' check_doc
if [ -d site/node_modules ] && grep -q '"check"' site/package.json; then check 'types of the page' npm --prefix site run --silent check; fi
check 'cargo machete' check_machete
check 'cargo deny (bans, licenses, sources)' check_deny
exit "$failed"
