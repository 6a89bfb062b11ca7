"""The proofs of records and of speed: small runs hold, and what is broken is found."""

from __future__ import annotations

import pytest

from chalicelib.core.canonical import canonical_json
from chalicelib.core.decide import decide
from ops.prove import BoundBroken, records, speed
from ops.simulation.chance import situations
from ops.stage_rules import packaged_rules

RULES = packaged_rules()


def test_records_re_execute_and_alterations_are_found() -> None:
    """A hundred records, every byte of two of them, and one of each other."""
    told = records.figures(count=100, throughout=2)

    assert told["records_replayed"] == told["records_the_same"] == 100
    assert told["bytes_altered"] == told["alterations_found"] > 1_000


def test_a_seal_that_misses_something_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were any altered record taken for intact, the proof fails."""
    monkeypatch.setattr(records, "is_intact", lambda _record, _keys: True)

    with pytest.raises(BoundBroken, match="alterations_found"):
        records.figures(count=5, throughout=1)


def test_a_decision_that_comes_out_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a record decided otherwise the second time, the proof fails."""
    empty = next(situations(RULES.policy, count=1, seed=1))
    other = decide(
        empty,
        policy=RULES.policy,
        jurisdictions=RULES.jurisdictions,
        scorer=RULES.scorer,
        code_for=lambda effect: effect,
    )
    monkeypatch.setattr(records, "reexecute", lambda _record, rules: other)

    with pytest.raises(BoundBroken, match="records_the_same"):
        records.figures(count=5, throughout=0)


def test_situations_by_chance_are_of_every_sort_and_the_same_again() -> None:
    """Customers and guests, every placement, known and unknown places, with and without a cart."""
    made = list(situations(RULES.policy, count=400, seed=3))

    assert made == list(situations(RULES.policy, count=400, seed=3))
    assert {each.placement for each in made} == {
        "checkout", "mail", "batch", "home", "product", "chat"
    }  # fmt: skip
    assert {each.subject.kind for each in made} == {"customer", "anonymous"}
    assert {each.context.country for each in made} >= {"US", "DE", "ZZ", None}
    assert {bool(each.lines) for each in made} == {each.facts is None for each in made}
    assert {each.opted_out for each in made} == {each.held is None for each in made}


def test_the_speed_of_a_decision_is_told_for_each_size() -> None:
    """Each figure is measured; how fast a busy machine is, no test says."""
    try:
        told = speed.figures(batches=2)
    except BoundBroken as broken:
        told = broken.figures

    assert canonical_json(sorted(told)) == canonical_json(
        [
            "decide_100_actions_p50_us",
            "decide_200_actions_p50_us",
            "decide_growth_from_100_to_200",
            "decide_p50_us",
        ]
    )
    assert all(value > 0 for value in told.values())
