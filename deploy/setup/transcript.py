#!/usr/bin/env python3
"""One reader's front page from the first visit on, with reasons, as Markdown on standard output.

    abovefold demo --listen 127.0.0.1:8000 &
    python3 deploy/setup/transcript.py http://127.0.0.1:8000 > docs/transcript.md

Five requests: nothing known; a topic chosen; then one, three and eight articles read, all of one section but one.
"""
import json
import sys
import time
import urllib.request

URL = sys.argv[1].rstrip("/") if len(sys.argv) == 2 else sys.exit(__doc__)
READER = f"transcript-{int(time.time())}"
SHOWN = 6


def call(method, path, body=None):
    request = urllib.request.Request(
        URL + path, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def slate(after, k=SHOWN, **more):
    asked = {"user_id": READER, "k": k, "explain": True, **more}
    return call("POST", "/recommend", {**asked, **({"after": after} if after else {})})


def read(article):
    event = {"user_id": READER, "article_id": article, "read_time": 75.0, "scroll_pct": 90.0, "device_type": 1}
    return call("POST", "/event", event)["after"]


def show(title, answer):
    served = f"`served_by` {answer['served_by']}, {answer['state']['reads']} reads, `fresh` {str(answer['fresh']).lower()}"
    print(f"## {title}\n\n{served}\n\n| | article | section | score | source | said to the reader | moved it most |\n|---|---|---|---|---|---|---|")
    for place, card in enumerate(answer["recommendations"], 1):
        why = card["explanation"]
        moved = ", ".join(f"{reason['column']} {reason['by']:+.2f}" for reason in why.get("reasons", [])[:2])
        print(f"| {place} | {card['title']} | {card['category']} | {card['score']:.2f} | {why['source']} | {why['text']} | {moved} |")
    print()


def main():
    sections = {}
    for card in call("GET", "/articles?limit=100"):
        sections.setdefault(card["category"], []).append(card["article_id"])
    # The section with enough to read that is shown least.
    section = min((name for name in sections if len(sections[name]) >= 8), key=lambda name: len(sections[name]))
    other = next(name for name in sections if name != section)
    reading = sections[section][:2] + sections[other][:1] + sections[section][2:7]
    print("# From the first visit on\n")
    print(f"One reader of the demonstration's newspaper: five requests of `POST /recommend` with `\"explain\": true`, the first {SHOWN} of each.")
    print("It reads " + f"{section}, and once {other}. Each request names the last event by `after`, so that its effect is there.")
    print("Made by `deploy/setup/transcript.py`, which says how to repeat it.\n")
    show("1. Nothing known", slate(None))
    after = call("POST", f"/users/{READER}/preferences", {"topics": [section]})["after"]
    show(f"2. The topic {section} chosen", slate(after))
    done = 0
    for number, reads in ((3, 1), (4, 3), (5, 8)):
        for article in reading[done:reads]:
            after = read(article)
        done = reads
        show(f"{number}. {reads} article{'s' if reads > 1 else ''} read", slate(after))


if __name__ == "__main__":
    main()
