"""Lives one seed again and says what happened: `python -m tests.simulation.replay 1234`, or `1234 returning`."""

from __future__ import annotations

import sys

from tests.simulation.returning import Returning
from tests.simulation.world import World


def replay(seed: int, kind: type[World] = World) -> None:
    world = kind(seed)
    print(f"seed {seed}: {len(world.story.rows)} rows, troubles {vars(world.troubles)}")
    try:
        world.run()
    finally:
        print(f"{world.lives} lives")
        for what, times in sorted(world.fate.seen.items()):
            print(f"{times:>6} x {what}")


if __name__ == "__main__":
    replay(int(sys.argv[1]), Returning if "returning" in sys.argv else World)
