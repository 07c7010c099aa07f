#!/usr/bin/env bash
# schemathesis, which tries a running program against its own OpenAPI document: a virtual environment in the cache folder, for one test.
# Its versions are pinned as a whole, since what it tries depends on them beside the seed.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python_with schemathesis schemathesis==4.32.5 hypothesis==6.170.17 jsonschema_rs==0.60.3 requests==2.34.2 urllib3==2.8.0
