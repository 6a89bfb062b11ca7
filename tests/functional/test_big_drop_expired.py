"""A divided drop that is redriven after its work files have expired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken
from chalicelib.flows.big_plan import EXPIRED
from chalicelib.flows.drop_notice import Arrived
from tests.big_drops import BigTeam
from tests.drops import RESULTS
from tests.functional.test_big_drop_kinds import FEATURES, LONG


def failing(*numbers: int) -> Callable[[Mapping[str, Any]], None]:
    """Fails these ranges for good."""

    def before(event: Mapping[str, Any]) -> None:
        if event["task"] == "part" and event["number"] in numbers:
            raise Broken("poisoned")

    return before


def left_partial(big: BigTeam, key: str, body: str) -> Arrived:
    """A drop of which some ranges failed."""
    arrived = big.put(key, body)
    big.before = failing(2, 3)
    assert big.finish(arrived).state == "PARTIAL"
    big.before = lambda _event: None
    return arrived


def redriven(big: BigTeam, arrived: Arrived) -> Drop:
    """What another execution comes to."""
    name = f"{arrived.drop_id}-late"
    assert big.engine.start(name, given=big.engine.names[arrived.drop_id])
    big.engine.run(name)
    return big.known(arrived)


def expire(big: BigTeam, *, left: str) -> None:
    """Let all work files go but those whose keys say this."""
    for key in big.objects.keys(RESULTS):
        if key.startswith("work/") and (not left or left not in key):
            big.objects.expire(RESULTS, key)


@pytest.mark.parametrize(("key", "body"), [("features/a.csv", FEATURES), ("orders/a.csv", LONG)])
@pytest.mark.parametrize("above_bytes", [2_000, 1_500])
def test_parts_of_an_expired_plan_never_count_in_another(
    key: str, body: str, above_bytes: int
) -> None:
    """Not even where the sizes were not changed: what they left may have expired as well."""
    big = BigTeam(above_bytes=2_000)
    arrived = left_partial(big, key, body)
    expire(big, left="/done/ranges/")
    big.above_bytes = above_bytes

    late = redriven(big, arrived)

    assert (late.state, late.reason) == ("REJECTED", EXPIRED)
    assert f"results/{arrived.drop_id}/manifest.json" not in big.results()
    again = big.finish(big.put(key, body))
    assert again.drop_id != arrived.drop_id
    assert (again.state, again.counts["records"]) == ("COMPLETE", body.count("\n") - 1)


def test_a_drop_of_which_nothing_is_left_is_divided_anew() -> None:
    """Then nothing contradicts the new plan."""
    big = BigTeam(above_bytes=2_000)
    arrived = left_partial(big, "features/a.csv", FEATURES)
    expire(big, left="")

    late = redriven(big, arrived)

    assert (late.state, late.counts["records"]) == ("COMPLETE", FEATURES.count("\n") - 1)
