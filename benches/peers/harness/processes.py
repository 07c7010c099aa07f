"""Processes by their number: what a tree of them has used, and how it is ended."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold blanks.
    return text.rsplit(") ", 1)[1].split()


def tree(pid: int) -> list[int]:
    """The process and all that it started."""
    found = [pid]
    for one in found:
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                found.extend(int(child) for child in Path(f"/proc/{one}/task/{thread}/children").read_text().split())
        except OSError:
            continue
    return found


@dataclass
class Usage:
    """Processor seconds and greatest resident memory of a tree, as far as it was looked at."""

    seconds: dict[int, float] = field(default_factory=dict)
    peaks: dict[int, int] = field(default_factory=dict)

    def look(self, pids: list[int]) -> float:
        """Looks at these processes; the processor seconds of all that were ever seen."""
        for pid in pids:
            if (stat := _stat(pid)) is None:
                continue
            self.seconds[pid] = (int(stat[11]) + int(stat[12])) / TICKS
            try:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self.peaks[pid] = int(line.split()[1]) * 1024
            except OSError:
                continue
        return sum(self.seconds.values())

    def peak(self) -> int:
        """Bytes."""
        return sum(self.peaks.values())


def end(process: subprocess.Popen, patience: float = 20) -> None:
    """Asks a process that we started to end, and insists where it does not."""
    if process.poll() is not None:
        return
    started = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        for pid in started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def wait_until(ready, seconds: float, what: str):
    """Waits until `ready` gives something true."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return found
