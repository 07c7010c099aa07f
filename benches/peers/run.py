"""Abovefold beside its peers: the same topic of the same events, the same Redis, the same two cores, one side after the other in several
rounds. `make peers` runs it; `--help` says what can be set."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from harness import figures, plot
from harness.compared import COMPARISONS, Compared
from harness.latency import latency
from harness.measure import Place, measure
from harness.servers import Kafka

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PICTURE = HERE.parent.parent / "docs/pictures/peers.svg"
# What went wrong, a line each.
FAILED: list[str] = []


def machine() -> dict:
    """What the figures were taken on."""
    cpu = next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def compare(place: Place, compared: Compared, rounds: int, keep) -> None:
    """All sides of a comparison in turn, so many rounds; `keep` gets the rows after each. A side that fails is named and left out from then on."""
    outcomes: dict[str, list] = {side.name: [] for side in compared.sides}
    sides = list(compared.sides)
    for number in range(rounds):
        for side in list(sides):
            topic = compared.topic_of(side)
            try:
                wanted = compared.wanted(topic)
                outcome = measure(place, side, topic, wanted, len(compared.events[topic]), compared.window_ms)
            except (RuntimeError, TimeoutError) as error:
                say(f"{compared.name}, {side.name} FAILED: {error}")
                # What it said on the way is on stderr.
                FAILED.append(f"{compared.name}, {side.name}: {str(error).splitlines()[0]}")
                sides.remove(side)
                continue
            outcomes[side.name].append(outcome)
            say(f"{compared.name}, round {number + 1}, {side.name}: {outcome.events_per_second:,.0f} events/s")
        keep(figures.summary({name: found for name, found in outcomes.items() if found}))


def latencies(place: Place, compared: Compared, rows: list[dict], options: argparse.Namespace) -> list[dict]:
    """Each side at half of the events/s that it has just shown, and at the same rate for all."""
    found = []
    paced = compared.events[compared.topics[0]]
    for side in compared.sides:
        row = next((row for row in rows if row["name"] == side.name), None)
        if row is None:
            continue
        rate = min(row["events_per_second"]["median"] / 2, options.greatest_rate)
        times = latency(place, side, rate, options.latency_seconds, options.latency_window, paced)
        row = {"name": side.name, "events_per_second": rate, "window_ms": options.latency_window, "probes": len(times)}
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            row[name] = times[min(len(times) - 1, int(share * len(times)))]
        found.append(row)
        say(f"latency, {side.name} at {rate:,.0f} events/s: p50 {row['p50'] * 1e3:.0f} ms, p99 {row['p99'] * 1e3:.0f} ms")
    return found


def say(text: str) -> None:
    """On the way, to stderr: the tables alone go to stdout."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def report(results: dict) -> str:
    """All tables."""
    text = []
    for name, rows in results["comparisons"].items():
        text += [f"## {name}", "", figures.table(rows), ""]
    if rows := results.get("latency"):
        text += ["## event to visible", "", "| | events/s | window | p50 | p90 | p99 |", "|---|---|---|---|---|---|"]
        for row in rows:
            times = " | ".join(f"{row[name] * 1e3:,.0f} ms" for name in ("p50", "p90", "p99"))
            text.append(f"| {row['name']} | {row['events_per_second']:,.0f} | {row['window_ms']} ms | {times} |")
    return "\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=HERE.parent.parent / "target/release/abovefold")
    parser.add_argument("--beside", type=Path, help="another build of the program, as a side of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="the comparison or side whose name holds this")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the events")
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--latency-only", action="store_true", help="beside the events/s that are stored")
    parser.add_argument("--latency-seconds", type=float, default=12)
    parser.add_argument("--latency-window", type=int, default=100, help="milliseconds")
    parser.add_argument("--greatest-rate", type=float, default=10_000, help="of the events while latencies are measured")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--gate", action="store_true", help="compare ratios with the stored ones, and store nothing")
    parser.add_argument("--slack", type=float, default=0.25, help="by how much a ratio may be worse than the stored one")
    options = parser.parse_args()

    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    before = json.loads(options.json.read_text()) if options.json.is_file() else {"comparisons": {}}
    folder = Path(tempfile.mkdtemp(prefix="abovefold-peers-"))
    results: dict = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "comparisons": {}}

    def keep_as(name: str):
        def keep(rows: list[dict]) -> None:
            results["comparisons"][name] = rows
            if not options.gate:
                # What was not run again stays as it was, and what was is kept though a later round should fail.
                merged = {**before, **results, "comparisons": {**before["comparisons"], **results["comparisons"]}}
                options.json.write_text(json.dumps(merged, indent=1) + "\n")
                if options.json == RESULTS:
                    PICTURE.write_text(plot.picture(merged))

        return keep

    kafka = Kafka(folder / "kafka")
    try:
        place = Place(kafka, folder)
        for make in COMPARISONS:
            compared = make(options.program.resolve(), folder, options.scale)
            if options.beside:
                compared.beside(options.beside.resolve())
            if options.only:
                compared.keep(options.only)
            if len(compared.sides) == 0 or (options.latency_only and not compared.has_latency):
                continue
            compared.fill(kafka)
            if options.latency_only:
                rows = before["comparisons"][compared.name]
            else:
                compare(place, compared, options.rounds, keep_as(compared.name))
                rows = results["comparisons"][compared.name]
            if compared.has_latency and not options.no_latency and not options.gate:
                results["latency"] = latencies(place, compared, rows, options)
                keep_as(compared.name)(rows)
            compared.empty(kafka)
    finally:
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(report(results))
    lines = [f"FAILED {line}" for line in FAILED]
    if options.gate:
        lines += figures.gate(RESULTS, results, options.slack)
    print("\n".join(lines))
    return int(any(line.startswith(("FAILED", "WORSE")) for line in lines))


if __name__ == "__main__":
    sys.exit(main())
