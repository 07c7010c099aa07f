#!/usr/bin/env bash
# The newspaper in a real browser: starts the program's demo on a free port, in a home of its own, and runs the page's
# end-to-end tests against it.
#
#   browser-tests.sh PROGRAM
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=deploy/setup/common.sh
. "$here/common.sh"

program="$1"
home="$(mktemp -d)"
# Two at once, so that they differ: the paper's, and that of a publisher's own page, which asks from another origin.
read -r port embed_port <<<"$(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')"
# The demo fills a log that is empty, so that it comes first; it writes a newspaper and trains a model.
ABOVEFOLD__HOME="$home" "$program" demo --exit >"$home/demo.log" 2>&1 </dev/null || {
    tail -n 30 "$home/demo.log"
    die 'the demo did not end as it should'
}
# Then a record that is no event, and a dead letter that is one by now, for the operations page. `cargo test` has built it beside the program.
letters="$(dirname "$(readlink -f "$program")")/examples/dead_letters"
[ -x "$letters" ] || die "$letters is missing: cargo build --release --workspace --locked --example dead_letters"
"$letters" "$home"
ABOVEFOLD__HOME="$home" ABOVEFOLD__HTTP__CORS_ORIGINS="http://127.0.0.1:$embed_port" "$program" demo --listen "127.0.0.1:$port" >"$home/demo.log" 2>&1 </dev/null &
demo=$!

finish() {
    kill -TERM "$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
    rm -rf "$home"
}
trap finish EXIT

healthy() {
    node -e 'fetch(process.argv[1]).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))' "http://127.0.0.1:$port/health"
}

deadline=$((SECONDS + 300))
until healthy; do
    if ! kill -0 "$demo" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
        tail -n 30 "$home/demo.log"
        die 'the demo did not come up'
    fi
    sleep 0.5
done
if ! (cd "$checkout/site" && ABOVEFOLD_URL="http://127.0.0.1:$port" EMBED_PORT="$embed_port" CHROMIUM="${ABOVEFOLD_CHROMIUM:-/usr/bin/chromium}" npm run --silent e2e); then
    mkdir -p "$ABOVEFOLD_CACHE/logs"
    cp "$home/demo.log" "$ABOVEFOLD_CACHE/logs/browser-tests-demo.log"
    die "a browser test failed; what the demo printed meanwhile is in $ABOVEFOLD_CACHE/logs/browser-tests-demo.log"
fi
