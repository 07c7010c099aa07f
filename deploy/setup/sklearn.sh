#!/usr/bin/env bash
# A Python with scikit-learn, whose measures of ranked lists a test compares with ours: a virtual environment in the cache folder.
# Nothing else needs it.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

package=scikit-learn==1.7.2
venv="$ABOVEFOLD_CACHE/sklearn-venv"
stamp="$venv/.abovefold-stamp"

[ "$(cat "$stamp" 2>/dev/null)" = "$package" ] && exit 0
alone sklearn
[ "$(cat "$stamp" 2>/dev/null)" = "$package" ] && exit 0
say "fetching $package into $venv"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --only-binary :all: "$package" >&2 9>&- ||
    die "pip could not install $package; is PyPI in reach?"
printf '%s' "$package" >"$stamp"
