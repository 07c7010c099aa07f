#!/usr/bin/env bash
# schemathesis, which tries a running program against its own OpenAPI document: a virtual environment in the cache folder, for one test.
# Its versions are pinned as a whole, since what it tries depends on them beside the seed.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(schemathesis==4.32.5 hypothesis==6.170.17 jsonschema_rs==0.60.3 requests==2.34.2 urllib3==2.8.0)
venv="$ABOVEFOLD_CACHE/schemathesis-venv"
stamp="$venv/.abovefold-stamp"

[ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ] && exit 0
alone schemathesis
[ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ] && exit 0
say "fetching ${packages[0]} into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --only-binary :all: "${packages[@]}" >&2 9>&- ||
    die "pip could not install ${packages[0]}; is PyPI in reach?"
printf '%s' "${packages[*]}" >"$stamp"
