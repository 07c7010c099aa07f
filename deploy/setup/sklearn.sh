#!/usr/bin/env bash
# A Python with scikit-learn, whose measures of ranked lists a test compares with ours: a virtual environment in the cache folder.
# Nothing else needs it.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

python_with sklearn scikit-learn==1.7.2
