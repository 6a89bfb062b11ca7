"""Two policies compared: what was counted in portions is what is counted at once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.comparison import (
    Tallied,
    deciles,
    step_of,
    tallied_from_json,
    tallied_of,
    tallied_to_json,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.policy_text import document_of
from chalicelib.core.trial import Outcome
from tests.unit.core.situations import default_policy

POLICY = default_policy()
ACTIONS = tuple(action.id for action in POLICY.actions)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """What some policy does to somebody."""
    actions = tuple(draw(st.lists(st.sampled_from(ACTIONS), max_size=2, unique=True)))
    base = draw(st.integers(0, 10_000))
    return Outcome(
        customer="c#1",
        segment=draw(st.sampled_from(["a", "b"])),
        actions=actions,
        tier=draw(st.sampled_from(["t", "u"])),
        base_minor=base,
        price_discount_minor=draw(st.integers(0, base)),
        offers_minor={each: draw(st.integers(0, 500)) for each in actions},
        mails=draw(st.integers(0, 2)),
        capped=tuple(draw(st.lists(st.sampled_from(["x: y"]), max_size=1))),
        guardrails=tuple(draw(st.lists(st.sampled_from(["floor"]), max_size=1))),
        price_reason="tier_fits",
        mode=draw(st.sampled_from([None, "free"])),
        disclosures=0,
    )


PAIRS = st.lists(st.tuples(outcomes(), outcomes()), max_size=30)


@given(PAIRS, st.integers(1, 7))
def test_portions_that_were_stored_between_add_up_to_the_whole(
    pairs: list[tuple[Outcome, Outcome]], size: int
) -> None:
    """However it is cut; each portion is saved as JSON and taken up again."""
    tallied = Tallied()
    for start in range(0, len(pairs), size):
        for old, new in pairs[start : start + size]:
            tallied.add(old, new, before=POLICY, after=POLICY)
        tallied = tallied_from_json(json.loads(json.dumps(tallied_to_json(tallied))))

    whole = tallied_of(pairs, before=POLICY, after=POLICY)
    assert tallied.figures(before=POLICY, after=POLICY) == whole.figures(
        before=POLICY, after=POLICY
    )


@given(PAIRS)
def test_segments_add_up_to_everybody(pairs: list[tuple[Outcome, Outcome]]) -> None:
    """Cases, changes, discounts, and every change stands in one step."""
    figures = tallied_of(pairs, before=POLICY, after=POLICY).figures(before=POLICY, after=POLICY)

    assert figures["cases"] == len(pairs)
    assert figures["changed"] == sum(figures["moved_minor"].values())
    for side, place in (("before", 0), ("after", 1)):
        whole = sum(pair[place].discount_minor for pair in pairs)
        assert figures[side]["discount_minor"] == whole
        parts = (each[side]["discount_minor"] for each in figures["segments"].values())
        assert sum(parts) == whole


@given(st.integers(-(10**9), 10**9))
def test_a_step_is_reached_and_the_next_is_not(minor: int) -> None:
    """Steps of 1, 2 and 5; the sign is that of the amount."""
    step = step_of(minor)

    assert (step > 0, step < 0) == (minor > 0, minor < 0)
    assert abs(step) <= abs(minor) <= max(0, abs(step) * 5 // 2)


@pytest.mark.parametrize(
    ("minor", "step"), [(0, 0), (1, 1), (4, 2), (19, 10), (50, 50), (-730, -500)]
)
def test_steps_by_hand(minor: int, step: int) -> None:
    """Away from zero."""
    assert step_of(minor) == step


def test_deciles_are_those_of_every_share() -> None:
    """Counted or written out."""
    assert deciles(Counter({0: 90, 1_000: 10})) == [0.0] * 9 + [0.01, 0.1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = ", "is not TOML"),
        ("{", "is not JSON"),
        ("a = " + "[" * 50_000, "policy"),
        ('{"a": ' + "[" * 50_000, "is not JSON"),
    ],
)
def test_a_text_that_is_no_document_is_named(text: str, says: str) -> None:
    """However deep it is nested: it is an error of the caller."""
    with pytest.raises(BadInput, match=says):
        document_of(text)


def test_toml_and_json_say_the_same() -> None:
    """A brace at the beginning, after blanks, is JSON."""
    assert document_of('a = 1\n[b]\nc = "é"') == document_of(' \n{"a": 1, "b": {"c": "é"}}')
