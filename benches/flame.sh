#!/usr/bin/env bash
# A flame graph of a program that runs.
#
#   flame.sh PID SECONDS OUT.svg TITLE
#
# Needs perf (Debian package linux-perf) and inferno (`cargo install inferno`). Threads are told apart at the foot; what has less than
# half a percent is left out of the picture. For the write path: start `make peers ARGS='--only Abovefold --rounds 1'`, and this with the
# program's process id once it folds.
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 2; }
pid="$1" seconds="$2" out="$3" title="$4"
for tool in perf inferno-collapse-perf inferno-flamegraph; do
    command -v "$tool" >/dev/null || { printf 'flame: %s is missing; the head of this file says where it comes from\n' "$tool" >&2; exit 1; }
done
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
perf record --quiet --freq 199 --call-graph dwarf,16384 --output "$folder/perf.data" --pid "$pid" -- sleep "$seconds"
# Without the names of inlined functions, which take minutes to look up.
perf script --no-inline --input "$folder/perf.data" 2>/dev/null | inferno-collapse-perf --skip-after '<std::sys::thread::unix::Thread>::new::thread_start' \
        --skip-after 'tokio::runtime::scheduler::multi_thread::worker::Context::run_task' |
    inferno-flamegraph --minwidth 0.5 --title "$title" --deterministic >"$out"
