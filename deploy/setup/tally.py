#!/usr/bin/env python3
"""Runs test commands, passes their output on, and ends with one line `N passed, N failed, N skipped`.

    tally.py [--log FILE] NAME=COMMAND [NAME=COMMAND ...]

Each COMMAND is run by the shell, one after the other. It understands what cargo test, vitest and Playwright print.

A Rust test cannot say by itself that it was skipped. Ours print a line `SKIP <test name>: <reason>` and return; such a
test is counted as skipped and not as passed. The commands are therefore run with `--show-output`; what passing tests
print otherwise goes to the log only. What failed comes once more at the end, by name and with its first lines. With CI=true, a skip for want of a server, a browser or a tool is a failure; a skip for
want of data or of a device (see EXCUSED) is not.

The status is 0 when every command succeeded, nothing failed and at least one test ran.
"""

import os
import re
import subprocess
import sys

# Reasons that are no shortcoming of the machine's set-up.
EXCUSED = re.compile(r"ABOVEFOLD_DATA|\bdata (folder|set)|\bfixture\b|\bGPU\b|\bCUDA\b|\bPyTorch\b|\bJDK\b|\bignored\b", re.IGNORECASE)
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CARGO_RESULT = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored;")
CARGO_IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.*))?$")
SKIP = re.compile(r"^\s*SKIP (.+?): (.+)$")
VITEST_RESULT = re.compile(r"^\s*Tests\s+(.*\(\d+\))\s*$")
PLAYWRIGHT_RESULT = re.compile(r"^\s+(\d+) (passed|failed|skipped|flaky|did not run)\b(?: \([\d.]+m?s?\))?\s*$")
# Where cargo test, vitest and Playwright begin to tell of one test that failed.
FAILURE = re.compile(r"^(?:---- (\S+) stdout ----|\s+\d+\) (\S.*?) ─*| FAIL  (.+))$")
# How much of it comes once more at the end.
FAILURE_LINES = 12
FAILURE_WIDTH = 200


class Tally:
    """Counts over every command, and what was skipped and why."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.skipped: list[tuple[str, str]] = []
        self.in_successes = False
        self.skipped_here: set[str] = set()
        self.failures: dict[str, list[str]] = {}
        self.failing: list[str] | None = None

    def note_failure(self, text: str) -> None:
        """Keeps the first lines of what is told of a test that failed."""
        if match := FAILURE.match(text):
            name = next(group for group in match.groups() if group)
            self.failing = None if name in self.failures else self.failures.setdefault(name, [])
        elif self.failing is not None and len(self.failing) < FAILURE_LINES and text.strip():
            self.failing.append(text[:FAILURE_WIDTH])

    def read(self, line: str) -> bool:
        """Takes one line in; says whether it should be shown."""
        text = COLOURS.sub("", line.rstrip("\n"))
        if match := SKIP.match(text):
            name, reason = match.groups()
            # The same line may come twice, on both streams.
            if name not in self.skipped_here:
                self.skipped_here.add(name)
                self.skipped.append((name, reason))
            return not self.in_successes
        if match := CARGO_RESULT.match(text):
            self.failing = None
            passed, failed, _ignored = map(int, match.groups())
            self.passed += passed - min(passed, len(self.skipped_here))
            self.failed += failed
            self.skipped_here = set()
            self.in_successes = False
            return True
        if match := CARGO_IGNORED.match(text):
            self.skipped.append((match[1], f"ignored{': ' + match[2] if match[2] else ''}"))
            return True
        if match := VITEST_RESULT.match(text):
            self.count(match[1], "page test")
            return True
        if match := PLAYWRIGHT_RESULT.match(text):
            self.count(match[0], "browser test")
            return True
        if text == "successes:":
            self.in_successes = True
        elif text == "failures:" or text.startswith("running "):
            self.failing = None
            self.in_successes = False
        if not self.in_successes:
            self.note_failure(text)
        return not self.in_successes

    def count(self, text: str, kind: str) -> None:
        """Takes in figures such as `12 passed | 1 skipped`."""
        for figure, what in re.findall(r"(\d+) (passed|failed|skipped|todo|flaky|did not run)", text):
            if what in ("passed", "flaky"):
                self.passed += int(figure)
            elif what == "failed":
                self.failed += int(figure)
            else:
                self.skipped += [(kind, "its own suite marks it so" if what != "did not run" else "an earlier one failed")] * int(figure)


def run(command: str, tally: Tally, log) -> int:
    """Runs one command and reads its output line by line; its exit status."""
    process = subprocess.Popen(command, shell=True, executable="/bin/bash", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in process.stdout:
        log.write(line)
        if tally.read(line):
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.wait()


def main() -> int:
    arguments = sys.argv[1:]
    log_path = os.devnull
    if arguments[:1] == ["--log"]:
        log_path = arguments[1]
        arguments = arguments[2:]
        os.makedirs(os.path.dirname(log_path), exist_ok=True)
    tally = Tally()
    troubles = []
    with open(log_path, "w", encoding="utf-8") as log:
        for argument in arguments:
            name, command = argument.split("=", 1)
            failed_before = tally.failed
            status = run(command, tally, log)
            if status != 0:
                troubles.append(f"{name} ended with status {status}")
                # A crash or a build error prints no figures; it must not look like a pass.
                if tally.failed == failed_before:
                    tally.failed += 1
    if tally.passed + tally.failed == 0:
        troubles.append("no test ran")
    strict = os.environ.get("CI", "").lower() == "true"
    print()
    for name, reason in tally.skipped:
        unexcused = strict and not EXCUSED.search(reason)
        print(f"skipped: {name}: {reason}{' (a failure, since CI=true)' if unexcused else ''}")
        if unexcused and not reason.startswith("ignored"):
            troubles.append(f"{name} was skipped")
    for name, lines in tally.failures.items():
        print(f"failed: {name}", *lines, sep="\n    ")
    for trouble in troubles:
        print(f"failed: {trouble}")
    if log_path != os.devnull:
        print(f"everything that was printed is in {log_path}")
    print(f"{tally.passed} passed, {tally.failed} failed, {len(tally.skipped)} skipped", flush=True)
    return 1 if troubles or tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
