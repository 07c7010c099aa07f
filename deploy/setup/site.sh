#!/usr/bin/env bash
# The newspaper's pages: packages by the lock file, then `npm run build` into site/dist, which the program embeds. Both only
# when something they are made from has changed.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

site="$checkout/site"
[ -f "$site/package-lock.json" ] || { say "no page yet (site/package-lock.json is missing): the program shows a placeholder"; exit 0; }
alone site
export npm_config_cache="$ABOVEFOLD_CACHE/npm" npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false
# The browser comes from Debian; Playwright's own is not fetched.
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1

packages="$(cat "$site/package.json" "$site/package-lock.json" | sha256sum)"
packages_stamp="$site/node_modules/.abovefold-packages"
if [ "$(cat "$packages_stamp" 2>/dev/null)" != "$packages" ]; then
    say "fetching the page's packages into site/node_modules"
    (cd "$site" && npm ci --prefer-offline --loglevel=error >&2 9>&-) || die "npm ci failed in site/"
    printf '%s' "$packages" >"$packages_stamp"
fi

sources="$(cd "$site" && find . \( -name node_modules -o -name dist -o -name e2e -o -name test-results \) -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)"
sources_stamp="$site/node_modules/.abovefold-dist"
if [ "$(cat "$sources_stamp" 2>/dev/null)" != "$sources" ] || [ ! -f "$site/dist/index.html" ] ||
    grep -q 'abovefold-placeholder' "$site/dist/index.html"; then
    say "building the page into site/dist"
    (cd "$site" && npm run --silent build >&2 9>&-) || die "the page's build failed; run 'npm run build' in site/"
    printf '%s' "$sources" >"$sources_stamp"
fi
