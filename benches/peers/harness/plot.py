"""The comparison as a picture: bars on a logarithmic scale, written by hand as SVG."""

import math
from html import escape

WIDTH = 860
NAME = 190
BAR = 20
ROOM = 10


def picture(results: dict) -> str:
    """Events a second and processor seconds a million events, of each side of each comparison."""
    shapes: list[str] = []
    top = 20
    for name, rows in results["comparisons"].items():
        for title, key in (
            ("events/s from the topic to Redis (more is better)", "events_per_second"),
            ("CPU seconds per million events, Redis and Kafka included (less is better)", "seconds"),
        ):
            shapes.append(text(10, top, f"{name}: {title}", 14, "bold"))
            top += 14
            top = bars(shapes, top, [(row["name"], value(row, key)) for row in rows])
            top += 30
    machine = results["machine"]
    shapes.append(text(10, top, f"{results['date']}, {machine['cores']} cores of {machine['cpu']}; logarithmic", 11))
    style = "font-family:system-ui,sans-serif;background:white"
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top + 14}" style="{style}">\n' + (
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def value(row: dict, key: str) -> float:
    """A median of a row; `seconds` is the side's and the servers' together."""
    if key == "seconds":
        return row["side_seconds"]["median"] + row["server_seconds"]["median"]
    return row[key]["median"]


def bars(shapes: list[str], top: int, rows: list[tuple[str, float]]) -> int:
    """Draws them, and says where they end."""
    logs = [math.log10(max(number, 1e-9)) for _, number in rows]
    floor = math.floor(min(logs) - 0.3)
    scale = (WIDTH - NAME - 110) / (math.ceil(max(logs)) - floor)
    for (name, number), log in zip(rows, logs, strict=True):
        length = max(2.0, (log - floor) * scale)
        colour = "#1f4e79" if name.startswith("Abovefold") else "#b0b7bf"
        shapes.append(text(NAME - 8, top + 15, name, 12, anchor="end"))
        shapes.append(f'<rect x="{NAME}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>')
        shown = f"{number:,.0f}" if number >= 100 else f"{number:.1f}"
        shapes.append(text(NAME + length + 6, top + 15, shown, 12))
        top += BAR + ROOM
    return top


def text(x: float, y: float, words: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    """One line of text."""
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="#222">'
        f"{escape(words)}</text>"
    )
