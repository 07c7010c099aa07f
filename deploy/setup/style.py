#!/usr/bin/env python3
"""House rules that no other tool checks: length of source files, trailing blanks, a newline at the end, no tabs, no conflict marks."""

import pathlib
import subprocess
import sys

# A file tells one story: most stay under 300 lines, none goes over this.
MOST_LINES = 600
SOURCES = {".rs", ".ts", ".tsx", ".css", ".py", ".sh", ".lua", ".proto", ".toml", ".yaml", ".yml", ".md", ".html", ".js", ".mjs"}
# Written by a tool (`npm run types`), read by nobody.
GENERATED = {"site/src/api/schema.ts"}
COUNTED = {".rs", ".ts", ".tsx", ".py", ".sh"}


def main() -> int:
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    complaints = []
    for name in filter(None, names):
        path = pathlib.Path(name)
        if path.suffix not in SOURCES or not path.is_file() or path.is_symlink():
            continue
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        if path.suffix in COUNTED and name not in GENERATED and len(lines) > MOST_LINES:
            complaints.append(f"{name}: {len(lines)} lines, {MOST_LINES} at most")
        if text and not text.endswith("\n"):
            complaints.append(f"{name}: no newline at the end")
        for number, line in enumerate(lines, 1):
            # Two blanks at the end of a line of Markdown are a line break.
            if line != line.rstrip() and path.suffix != ".md":
                complaints.append(f"{name}:{number}: blanks at the end of the line")
            if line.startswith(("<<<<<<< ", ">>>>>>> ")):
                complaints.append(f"{name}:{number}: a conflict mark")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
