#!/usr/bin/env bash
# Builds the page and the program; leaves the program at target/release/abovefold in the checkout. Further words go to cargo.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

"$here/system.sh" build
"$here/torch.sh"
"$here/native.sh"
"$here/site.sh"
eval "$("$here/env.sh")"
cd "$checkout"
cargo build --release --workspace --locked "$@"
mkdir -p target/release
# Cargo's folder lies in the cache, shared by checkouts; the program is to be found where one looks for it.
ln -sfn "$CARGO_TARGET_DIR/release/abovefold" target/release/abovefold
