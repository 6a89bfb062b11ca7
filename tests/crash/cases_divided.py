"""A file that is divided: the machine runs its tasks, and each of their calls may break.

A message stands for the execution: whoever gets it a second time, because the first is slow or all
is delivered once more, runs all its tasks again beside the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.kinds import DROP
from tests.crash.cases import Case, register
from tests.crash.cases_profiles import DROPPED, drop_it, drop_world
from tests.crash.world import World, notice_of
from tests.drops import zipped
from tests.makers import NOW

ABOVE_BYTES = 150  # the file is one of 300 bytes
# Scored in three parts, of which the last is no text.
REFUSED = (
    f"customer_id,{','.join(FEATURE_NAMES)}\n" + "c-1,1,1,1,1,1\n" * 20
).encode() + b"c-\xff,1,1,1,1,1\n"


def divided_world() -> World:
    """As for the drop in one piece, where that is a big one."""
    world = drop_world()
    world.above_bytes = ABOVE_BYTES
    world.counted = frozenset({"drops", "parts"})
    return world


def dense_world() -> World:
    """The same file as gzip: below the threshold, and too large once it is unpacked."""
    world = divided_world()
    world.above_bytes, world.part_bytes, world.most_bytes = 10_000, ABOVE_BYTES, 200
    _arrives(world, "orders/day.csv.gz", zipped(DROPPED))
    return world


def refused_world() -> World:
    """A features file that is refused when parts of it have been scored already."""
    world = divided_world()
    _arrives(world, "features/day.csv", REFUSED)
    return world


def _arrives(world: World, key: str, body: bytes) -> None:
    info = world.objects.arrive("incoming", key=key, body=body, last_modified=NOW)
    world.notes["file"] = notice_of(info, key)


def _is_refused(world: World) -> Sequence[str]:
    """The drop is REJECTED, and nothing is left that looks like its result."""
    wrong = []
    [drop] = world.store.all(DROP.name).values()
    if (drop.state, drop.counts.get("records")) != ("REJECTED", 0):
        wrong.append(f"a refused drop ended {drop.state}")
    keys = [key for key in world.objects.keys("results") if key.startswith("results/")]
    if [key.rpartition("/")[2] for key in keys] != ["summary.json"]:
        wrong.append("more than its summary is left of a refused drop")
    return wrong


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
    Case(
        "drop, dense",
        "drop",
        dense_world,
        drop_it,
        same=("facts", "order", "contact", "coupon", "plan", "results"),
        names=False,
        check=_is_whole,
        most_pairs=500,
    ),
    Case(
        "drop, refused",
        "drop",
        refused_world,
        drop_it,
        same=("facts", "contact"),
        names=False,
        check=_is_refused,
        most_pairs=500,
    ),
)
