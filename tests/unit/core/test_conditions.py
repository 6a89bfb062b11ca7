"""Conditions: what the language says, what it refuses, and what is not known."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.condition_reader import ConditionError, parse_condition
from chalicelib.core.conditions import (
    AllOf,
    AnyOf,
    Compared,
    Contains,
    Known,
    Node,
    Not,
    OneOf,
)
from chalicelib.core.declared import BUILT_IN, Declared

DECLARED = {
    **BUILT_IN,
    "points": Declared("number", "supplied"),
    "vip": Declared("flag", "supplied"),
    "plan": Declared("text", "supplied"),
}


def holds(text: str, **values: Any) -> bool | None:
    """What a condition says of these values."""
    return parse_condition(text, DECLARED).test(values)


@pytest.mark.parametrize(
    ("text", "values", "outcome"),
    [
        ("churn >= 0.6", {"churn": 0.6}, True),
        ("0.6 > churn", {"churn": 0.6}, False),
        ("30 <= recency_days < 90", {"recency_days": 89.0}, True),
        ("30 <= recency_days < 90", {"recency_days": 90.0}, False),
        ("points == -3", {"points": -3.0}, True),
        ("segment in ['at_risk', 'hibernating']", {"segment": "at_risk"}, True),
        ("segment not in ('at_risk',)", {"segment": "at_risk"}, False),
        ("frequency in [1, 2]", {"frequency": 2.0}, True),
        ("'shoes' in cart_categories", {"cart_categories": {"hats", "shoes"}}, True),
        ("'shoes' not in cart_categories", {"cart_categories": set()}, True),
        ("vip", {"vip": True}, True),
        ("not vip", {"vip": True}, False),
        ("vip == false", {"vip": False}, True),
        ("plan != 'gold'", {"plan": "silver"}, True),
        ("known(churn)", {"churn": 0.0}, True),
        ("known(churn)", {"churn": None}, False),
        ("not known(churn)", {}, True),
        ("churn > 0.5 or not known(churn)", {}, True),
        ("churn > 0.5", {}, None),
        ("not churn > 0.5", {}, None),
        ("churn > 0.5 and points > 3", {"points": 1.0}, False),
        ("churn > 0.5 and points > 3", {"points": 4.0}, None),
        ("churn > 0.5 or points > 3", {"points": 4.0}, True),
        ("churn > 0.5 or points > 3", {"points": 1.0}, None),
    ],
)
def test_a_condition_means_what_it_says(
    text: str, values: dict[str, Any], outcome: bool | None
) -> None:
    """Comparisons, membership and their joins; what is not known is neither true nor false."""
    assert holds(text, **values) is outcome


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no condition"),
        ("churn >", "is no condition"),
        ("churn = 0.5", "is no condition"),
        ("churn\n> 0.5", "is no condition"),
        ("lambda: 1", "has a part that is no condition"),
        ("__import__('os').system('true')", "has a part that is no condition"),
        ("churn.real > 1", "compares no feature"),
        ("churn + 1 > 1", "compares no feature"),
        ("known(churn, 1)", "has a part that is no condition"),
        ("known('churn')", "has a part that is no condition"),
        ("[x for x in y]", "has a part that is no condition"),
        ("churn if vip else vip", "has a part that is no condition"),
        ("f'{churn}' == 'x'", "compares no feature"),
        ("churn is 1", "compares by identity"),
        ("1 < 2", "compares no feature"),
        ("churn > points", "is no constant"),
        ("churn > None", "is no constant"),
        ("churn > 1j", "is no constant"),
        ("churn > 1e999", "not finite"),
        ("churn > 'high'", "churn is a number, and 'high' is a text"),
        ("churn > true", "churn is a number, and True is a flag"),
        ("segment > 'a'", "knows only == and !="),
        ("vip < true", "knows only == and !="),
        ("segment == 3", "segment is a text, and 3 is a number"),
        ("placement == 'fax'", "is never 'fax'"),
        ("churn", "churn is a number, not a flag"),
        ("moon_phase > 1", "names the unknown feature moon_phase"),
        ("cart_skus == 'A1'", "has several values"),
        ("'a' in segment", "segment is a text, not a texts"),
        ("3 in cart_skus", "cart_skus is a text, and 3 is a number"),
        ("segment in []", "without a feature and a list"),
        ("segment in 'abc'", "without a feature and a list"),
        ("vip in [true]", "which is in no list"),
        ("cart_skus in ['a']", "which is in no list"),
        ("churn > 0.5 " + "and churn > 0.5 " * 100, "longer than"),
        ("not " * 60 + "vip", "nested more than"),
        ("(" * 400 + "vip" + ")" * 400, "is no condition"),
        ("-" * 900 + "1 > churn", "nested more than"),
        ("churn" + ".a" * 450, "nested more than"),
        ("vip\x00", "is no condition"),
    ],
)
def test_whatever_else_is_refused(text: str, words: str) -> None:
    """The language is closed: no attribute, call, arithmetic or wrong type gets through."""
    with pytest.raises(ConditionError, match=re.escape(words)):
        parse_condition(text, DECLARED)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"segment": "at_risk", "churn": 0.7}, None),
        ({"segment": "loyal", "churn": 0.7}, "segment_not_met"),
        ({"segment": "at_risk", "churn": 0.1}, "churn_not_met"),
        ({"segment": "at_risk"}, "churn_unknown"),
    ],
)
def test_the_reason_names_the_first_part_that_does_not_hold(
    values: dict[str, Any], reason: str | None
) -> None:
    """An operator reads which feature stood in the way, and whether it was known."""
    condition = parse_condition("segment == 'at_risk' and churn >= 0.6", DECLARED)

    assert condition.failed(values) == reason


FEATURES = ("churn", "points", "frequency")
NUMBERS = st.integers(-3, 3).map(float)
LEAVES = st.one_of(
    st.builds(
        Compared,
        st.sampled_from(FEATURES),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        NUMBERS,
    ),
    st.builds(OneOf, st.sampled_from(FEATURES), st.tuples(NUMBERS, NUMBERS)),
    st.builds(Contains, st.just("cart_skus"), st.sampled_from(["a", "b"])),
    st.builds(Known, st.sampled_from(FEATURES)),
)
NODES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(AllOf, st.tuples(parts, parts)),
        st.builds(AnyOf, st.tuples(parts, parts)),
    ),
    max_leaves=8,
)


def spelt(node: Node) -> str:
    """A tree as a person writes it."""
    match node:
        case Compared(feature, comparator, constant):
            return f"{feature} {comparator} {constant}"
        case OneOf(feature, constants):
            return f"{feature} in {list(constants)}"
        case Contains(feature, constant):
            return f"{constant!r} in {feature}"
        case Known(feature):
            return f"known({feature})"
        case Not(part):
            return f"not ({spelt(part)})"
        case AllOf(parts):
            return "(" + " and ".join(map(spelt, parts)) + ")"
        case AnyOf(parts):
            return "(" + " or ".join(map(spelt, parts)) + ")"


def kleene(node: Node, values: dict[str, Any]) -> bool | None:
    """The textbook's tables: a comparison with the unknown is unknown; and is min, or is max."""
    order = {False: 0, None: 1, True: 2}
    match node:
        case Known(feature):
            return values.get(feature) is not None
        case Not(part):
            inner = kleene(part, values)
            return None if inner is None else not inner
        case AllOf(parts):
            return min((kleene(part, values) for part in parts), key=order.__getitem__)
        case AnyOf(parts):
            return max((kleene(part, values) for part in parts), key=order.__getitem__)
        case Compared(feature, comparator, constant):
            value = values.get(feature)
            return None if value is None else bool(eval(f"{value} {comparator} {constant}"))  # noqa: S307
        case OneOf(feature, constants):
            value = values.get(feature)
            return None if value is None else value in constants
        case Contains(feature, constant):
            several = values.get(feature)
            return None if several is None else constant in several


@given(
    node=NODES,
    values=st.fixed_dictionaries(
        {},
        optional={
            **{name: st.none() | NUMBERS for name in FEATURES},
            "cart_skus": st.sets(st.sampled_from(["a", "b"])),
        },
    ),
)
def test_what_is_written_is_what_is_asked(node: Node, values: dict[str, Any]) -> None:
    """For any tree and values: written, read and compiled it says what Kleene's tables say."""
    condition = parse_condition(spelt(node), DECLARED)

    assert condition.test(values) is kleene(node, values)
    assert (condition.failed(values) is None) is (kleene(node, values) is True)


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is a condition or a ConditionError, and nothing else happens."""
    with contextlib.suppress(ConditionError):
        assert parse_condition(text, DECLARED).features <= DECLARED.keys()
