"""What is left of a big file that was refused: its summary, and no results of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.core.errors import Transient
from chalicelib.flows.big_plan import EXPIRED
from tests.big_drops import BigTeam
from tests.functional.test_big_drop_expired import expire, failing, left_partial, redriven
from tests.functional.test_big_drop_kinds import FEATURES, LONG
from tests.gate import Died

KEY = "features/a.csv"
# Its last part is no text; the others have been scored by then.
BAD = FEATURES.encode() + b"c-\xff,1,1,1,1,1\n"


def left_of(big: BigTeam, drop_id: str) -> list[str]:
    """The names of what lies among the results of a drop."""
    prefix = f"results/{drop_id}/"
    return [key.removeprefix(prefix) for key in big.results() if key.startswith(prefix)]


def test_a_features_file_that_is_refused_half_way_leaves_no_scores() -> None:
    """Whoever takes every Parquet file of the folder takes nothing of a file that was refused."""
    big = BigTeam(above_bytes=2_000)
    arrived = big.put(KEY, BAD)
    seen: list[list[str]] = []

    def before(event: Mapping[str, Any]) -> None:
        if event["task"] == "finish":
            seen.append(left_of(big, arrived.drop_id))

    big.before = before
    found = big.finish(arrived)

    assert found.state == "REJECTED"
    [scored] = seen
    assert len(scored) > 1
    assert all(name.startswith("scores/part-") for name in scored)
    assert left_of(big, arrived.drop_id) == ["summary.json"]


def test_other_drops_keep_what_is_theirs() -> None:
    """Even one whose scores lie next to it."""
    big = BigTeam(above_bytes=2_000)
    good = big.finish(big.put(KEY, FEATURES))
    before = left_of(big, good.drop_id)

    assert big.finish(big.put(KEY, BAD)).state == "REJECTED"

    assert left_of(big, good.drop_id) == before
    assert {"manifest.json", "scores/part-00001.parquet"} <= set(before)


@pytest.mark.parametrize("error", [Transient("not now"), Died()], ids=["fails", "dies"])
def test_taking_away_is_taken_up_where_it_broke(error: BaseException) -> None:
    """First it is said that the drop is REJECTED; whoever ends it again takes the rest away."""
    big = BigTeam(above_bytes=2_000)
    arrived = big.put(KEY, BAD)
    delete, states = big.objects.delete, []

    def breaks_once(bucket: str, *, key: str) -> None:
        states.append(big.known(arrived).state)
        if len(states) == 2:
            raise error
        delete(bucket, key=key)

    big.objects.delete = breaks_once  # type: ignore[method-assign]
    found = big.finish(arrived)

    assert found.state == "REJECTED"
    assert set(states) == {"REJECTED"}
    assert left_of(big, arrived.drop_id) == ["summary.json"]


def test_a_part_that_is_slower_than_the_refusal_takes_its_own_away() -> None:
    """It leaves its scores when nobody looks for any more, and sees that the file was refused."""
    big = BigTeam(above_bytes=2_000)
    arrived = big.put(KEY, BAD)
    upload = big.objects.upload

    def slow(path: Any, *, bucket: str, key: str, content_type: str) -> None:
        big.objects.upload = upload  # type: ignore[method-assign]
        assert big.engine.run(arrived.drop_id) is None
        assert big.known(arrived).state == "REJECTED"
        upload(path, bucket=bucket, key=key, content_type=content_type)

    big.handle(arrived)
    task = {"attempt": arrived.drop_id, **big.engine.names[arrived.drop_id]}
    big.work({"task": "plan", **task})
    big.objects.upload = slow  # type: ignore[method-assign]
    big.work({"task": "part", "number": 1, **task})

    assert left_of(big, arrived.drop_id) == ["summary.json"]


def test_a_plan_that_is_slower_than_its_parts_refuses_nothing() -> None:
    """It looked for a plan before there was one, and finds parts of it: no plan has expired."""
    big = BigTeam(above_bytes=2_000)
    arrived = big.put(KEY, FEATURES)
    looks = big.objects.list

    def slow(bucket: str, *, prefix: str) -> Any:
        found = list(looks(bucket, prefix=prefix))
        if prefix.endswith("plan.json"):
            big.objects.list = looks  # type: ignore[method-assign]
            big.before = failing(1)
            big.engine.run(arrived.drop_id)
            big.before = lambda _event: None
        return found

    big.objects.list = slow  # type: ignore[method-assign]
    found = big.finish(arrived)

    assert (found.state, found.reason) == ("COMPLETE", None)


def test_a_partial_drop_keeps_its_parts_for_the_redrive() -> None:
    """They are done, and are not done again."""
    big = BigTeam(above_bytes=2_000)
    big.before = failing(2)

    partial = big.finish(big.put(KEY, FEATURES))

    assert partial.state == "PARTIAL"
    assert "scores/part-00001.parquet" in left_of(big, partial.drop_id)


@pytest.mark.parametrize(("key", "body"), [(KEY, FEATURES), ("orders/a.csv", LONG)])
def test_a_drop_that_expired_leaves_nothing_either(key: str, body: str) -> None:
    """The same file, dropped again, leaves all results under a name of its own."""
    big = BigTeam(above_bytes=2_000)
    arrived = left_partial(big, key, body)
    expire(big, left="/done/ranges/")

    assert redriven(big, arrived).reason == EXPIRED
    assert left_of(big, arrived.drop_id) == ["summary.json"]
