"""Figures of several rounds as medians with their spread, as a table, and beside those that are stored."""

import json
from pathlib import Path
from statistics import median

# Rows of one comparison, the first of which is what the others are compared with.
COLUMNS = ("events_per_second", "side_seconds", "server_seconds", "memory", "redis_memory", "first_seconds")


def summary(rounds: dict[str, list]) -> list[dict]:
    """Median, least and greatest of each column of each side, and the ratios to the first side."""
    rows = []
    for name, outcomes in rounds.items():
        row: dict = {"name": name, "rounds": len(outcomes)}
        for column in COLUMNS:
            values = [getattr(outcome, column) for outcome in outcomes]
            row[column] = {"median": median(values), "least": min(values), "greatest": max(values)}
        # Interleaved: each round's own ratio, then the middle of them.
        ours = next(iter(rounds.values()))
        pairs = list(zip(ours, outcomes, strict=False))
        row["ours_faster"] = median(a.events_per_second / b.events_per_second for a, b in pairs)
        row["ours_cheaper"] = median(
            (b.side_seconds + b.server_seconds) / (a.side_seconds + a.server_seconds) for a, b in pairs
        )
        row["ours_cheaper_alone"] = median(b.side_seconds / a.side_seconds for a, b in pairs)
        rows.append(row)
    return rows


def table(rows: list[dict]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| | events/s (least to greatest) | ours is faster | CPU s per million events, itself | of Redis and Kafka | memory | Redis after |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        rate = row["events_per_second"]
        spread = f"{thousands(rate['median'])} ({thousands(rate['least'])} to {thousands(rate['greatest'])})"
        lines.append(
            f"| {row['name']} | {spread} | {row['ours_faster']:.2f}x | {row['side_seconds']['median']:.1f} "
            f"| {row['server_seconds']['median']:.1f} | {mega(row['memory'])} | {mega(row['redis_memory'])} |"
        )
    return "\n".join(lines)


def thousands(number: float) -> str:
    """A number as people read it."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"


def mega(column: dict) -> str:
    """Bytes as megabytes."""
    return f"{column['median'] / 1e6:,.0f} MB"


def gate(stored: Path, results: dict, slack: float) -> list[str]:
    """Ratios that are worse than the stored ones by more than `slack`; absolute figures belong to a machine and are not compared."""
    before = json.loads(stored.read_text())
    lines = []
    for comparison, rows in results["comparisons"].items():
        known = {row["name"]: row for row in before["comparisons"].get(comparison, [])}
        for row in rows[1:]:
            for ratio in ("ours_faster", "ours_cheaper"):
                if row["name"] not in known:
                    continue
                was, now = known[row["name"]][ratio], row[ratio]
                verdict = "WORSE" if now < was * (1 - slack) else "ok"
                lines.append(f"{verdict:<6} {comparison}, beside {row['name']}, {ratio}: {now:.2f} (stored: {was:.2f})")
    return lines
