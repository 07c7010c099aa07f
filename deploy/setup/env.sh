#!/usr/bin/env bash
# Prints, as shell code, the environment that cargo and the tests need:
#
#   eval "$(deploy/setup/env.sh)"
#
# The program itself needs none of it once it is built (see deploy/build.rs).
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

put() {
    printf 'export %s=%q\n' "$1" "$2"
}

# put_if_there NAME DEFAULT: a caller's own value is kept; nothing is said of what is not on this machine.
put_if_there() {
    local value="${!1:-$2}"
    if [ -n "$value" ] && [ -e "$value" ]; then put "$1" "$value"; fi
}

python_site=
for folder in "$ABOVEFOLD_CACHE"/torch-venv/lib/python3.*/site-packages; do
    if [ -d "$folder/torch" ]; then python_site="$folder"; fi
done
put ABOVEFOLD_CACHE "$ABOVEFOLD_CACHE"
put CARGO_TARGET_DIR "$ABOVEFOLD_CACHE/target"
if [ -n "$python_site" ]; then
    put LIBTORCH "$python_site/torch"
    put LD_LIBRARY_PATH "$python_site/torch/lib:$python_site/nvidia/cu13/lib"
fi
native_site=
for folder in "$ABOVEFOLD_CACHE"/native-venv/lib/python3.*/site-packages; do
    if [ -d "$folder/clang" ]; then native_site="$folder"; fi
done
if [ -n "$native_site" ]; then
    put CMAKE "$native_site/cmake/data/bin/cmake"
    put LIBCLANG_PATH "$native_site/clang/native"
    # libclang's wheel comes without the compiler's own headers.
    put BINDGEN_EXTRA_CLANG_ARGS "-I$(c++ -print-file-name=include)"
fi
# The page's programs must not look for a browser of their own.
put PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD 1
put_if_there ABOVEFOLD_KAFKA_HOME "$ABOVEFOLD_CACHE/kafka-4.1.1"
put_if_there ABOVEFOLD_ELASTICSEARCH_HOME "$ABOVEFOLD_CACHE/elasticsearch-8.19.5"
put_if_there ABOVEFOLD_SKLEARN_PYTHON "$ABOVEFOLD_CACHE/sklearn-venv/bin/python"
put_if_there ABOVEFOLD_SCHEMATHESIS "$ABOVEFOLD_CACHE/schemathesis-venv/bin/schemathesis"
put_if_there ABOVEFOLD_REDIS_SERVER "$(command -v redis-server || true)"
put_if_there ABOVEFOLD_KCAT "$(command -v kcat || true)"
put_if_there ABOVEFOLD_CHROMIUM "$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
put ABOVEFOLD_SERVERS "$checkout/deploy/servers"
# The folder `shared/data` beside the checkout, where there is one: tests that use real data skip without it.
put_if_there ABOVEFOLD_DATA "$(dirname "$checkout")/shared/data"
