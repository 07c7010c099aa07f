#!/usr/bin/env bash
# The real servers that tests run against, as far as this machine can fetch them. What cannot be had is said, and the
# tests that want it are skipped.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

"$here/system.sh" test
for server in kafka elasticsearch; do
    "$here/$server.sh" || say "going on without $server: tests that want it are skipped"
done
