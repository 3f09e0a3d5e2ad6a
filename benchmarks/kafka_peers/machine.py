"""What it was measured on, and how quiet that was: a fixed loop is timed before every run."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

LOOP = 3_000_000
LOOK_S = 0.5


class Noise:
    """Collects how long the same loop took each time, and how much of the machine others used just before it."""

    def __init__(self) -> None:
        self._times_ms: list[float] = []
        self._busy: list[float] = []

    def look(self) -> None:
        self._busy.append(busy_share(LOOK_S))
        began = time.perf_counter()
        total = 0
        for number in range(LOOP):
            total += number & 7
        self._times_ms.append((time.perf_counter() - began) * 1e3)

    def found(self) -> dict[str, float]:
        """The spread is that of all but the slowest tenth, so that one hiccup is not taken for a busy machine."""
        times = sorted(self._times_ms)
        most = times[: max(1, -(-len(times) * 9 // 10))]
        middle = statistics.median(times)
        return {
            "calibrations": len(times),
            "loop_ms": round(middle, 1),
            "spread_percent": round((most[-1] - most[0]) / middle * 100, 1),
            "slowest_percent": round((times[-1] / middle - 1) * 100, 1),
            "others_percent": round(statistics.mean(self._busy) * 100, 1),
        }


def busy_share(seconds: float) -> float:
    """The share of all processors that was in use."""
    before = ticks()
    time.sleep(seconds)
    busy, idle = (now - then for now, then in zip(ticks(), before, strict=True))
    return busy / max(1, busy + idle)


def ticks() -> tuple[int, int]:
    """Busy and idle time of all processors since the start of the machine."""
    told = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = told[3] + told[4]
    return sum(told) - idle, idle


def machine() -> dict[str, str | int]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line for line in lines if line.startswith("model name")), ":")
    return {
        "cpu": model.partition(":")[2].strip(),
        "cores": os.cpu_count() or 0,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "java": java_version(),
    }


def java_version() -> str:
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    return told.split('"')[1] if '"' in told else "none"
