"""A file that is divided: the machine runs its tasks, and each of their calls may break.

A message stands for the execution: whoever gets it a second time, because the first is slow or all
is delivered once more, runs all its tasks again beside the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.kinds import DROP
from tests.crash.cases import Case, register
from tests.crash.cases_profiles import drop_it, drop_world
from tests.crash.world import World

ABOVE_BYTES = 150  # the file is one of 300 bytes


def divided_world() -> World:
    """As for the drop in one piece, where that is a big one."""
    world = drop_world()
    world.above_bytes = ABOVE_BYTES
    world.counted = frozenset({"drops", "parts"})
    return world


def _is_whole(world: World) -> Sequence[str]:
    """The drop was divided, is complete, and lost or doubled no record and no customer."""
    wrong = []
    [drop] = world.store.all(DROP.name).values()
    counts = drop.counts
    if drop.state != "COMPLETE":
        wrong.append(f"a divided drop ended {drop.state}")
    if min(counts.get("ranges", 0), counts.get("partitions", 0)) < 2:
        wrong.append("a big file was not divided")
    if counts.get("records") != sum(
        counts.get(name, 0) for name in ("folded", "duplicate", "rejected")
    ):
        wrong.append("the records of a divided drop do not add up")
    keys = [key for key in world.objects.keys("results") if "/scores/" in key]
    lines = sum(world.objects.body("results", key).count(b"\n") - 1 for key in keys)
    if lines != counts.get("scored"):
        wrong.append("the scores of a divided drop are not those of its customers")
    if not any(key.endswith("/manifest.json") for key in world.objects.keys("results")):
        wrong.append("nobody says which files of a divided drop count")
    return wrong


register(
    Case(
        "drop, divided",
        "drop",
        divided_world,
        drop_it,
        same=("facts", "order", "contact", "coupon", "plan", "results", "newest_file"),
        names=False,
        check=_is_whole,
        # A seventh of a second each, and there are a hundred thousand.
        most_pairs=3_000,
    ),
)
