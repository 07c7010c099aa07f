#!/usr/bin/env bash
# libtorch, out of the wheel of PyTorch, which is the one place that has it: a virtual environment in the cache folder.
# The version is the one that the crate tch is made for (see the root Cargo.toml). The two CUDA packages are what
# libtorch_cpu.so is linked with; the rest of CUDA (4 GB) is not wanted.
set -euo pipefail
# shellcheck source=deploy/setup/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
venv="$ABOVEFOLD_CACHE/torch-venv"
stamp="$venv/.abovefold-stamp"

complete() {
    local site
    for site in "$venv"/lib/python3.*/site-packages; do
        [ -f "$site/torch/lib/libtorch_cpu.so" ] && [ -d "$site/torch-2.11.0.dist-info" ] &&
            [ -e "$site/nvidia/cu13/lib/libcudart.so.13" ] && [ -e "$site/nvidia/cu13/lib/libcupti.so.13" ] && return 0
    done
    return 1
}

[ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ] && complete && exit 0
alone torch
if ! complete; then
    say "fetching libtorch 2.11.0 (0.5 GB) into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check --no-deps "${packages[@]}" >&2 ||
        die "pip could not install ${packages[*]}; is this Python (3.10 to 3.14, x86_64) one that has wheels, and is PyPI in reach?"
    complete || die "the wheels hold other files than expected; see $venv"
fi
printf '%s' "${packages[*]}" >"$stamp"
