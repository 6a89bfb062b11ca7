"""The best combination of what survives: the best allowed set, and a reason for the rest."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, combinations
from math import fsum
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.combination import FINALISTS, convene
from chalicelib.core.combination import Contender as Plain
from chalicelib.core.stacking import StackingRules

NAMES = ("a", "b", "c", "d", "e")


class Contender(NamedTuple):
    """An action that survived, with the share of the published price that it takes off."""

    action_id: str
    place: int
    priority: float
    share_off: Fraction = Fraction(0)


class Found(NamedTuple):
    """What was chosen, why each other was not, and whether rules made it so."""

    chosen: tuple[str, ...]
    left: dict[str, str]
    ruled: bool


def best(
    contenders: list[Contender],
    *,
    most: int,
    rules: StackingRules,
    already: Fraction = Fraction(0),
    first: str | None = None,
) -> Found:
    """The best combination of these."""
    shares = {each.action_id: each.share_off for each in contenders}
    court = convene(
        [Plain(*each[:3]) for each in contenders],
        most=most,
        rules=rules,
        share_off=shares.__getitem__,
        already_off=already,
    )
    worth = {each.action_id: each.priority for each in contenders}
    found = court.combine(worth, first=first)
    return Found(tuple(each.action_id for each in found.chosen), dict(found.why_not), found.ruled)


PRIORITIES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 2.5, 1e-9, 1e12])
SHARES = st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(1, 4), Fraction(1, 2)])


def rules(
    *pairs: tuple[str, str],
    after: dict[str, set[str]] | None = None,
    cap: Fraction | None = None,
) -> StackingRules:
    """Exclusion between pairs, precedence by the later one, and a cap."""
    excludes: dict[str, frozenset[str]] = {}
    for one, other in pairs:
        excludes[one] = excludes.get(one, frozenset()) | {other}
        excludes[other] = excludes.get(other, frozenset()) | {one}
    return StackingRules(excludes, {k: frozenset(v) for k, v in (after or {}).items()}, cap)


@st.composite
def some_rules(draw: st.DrawFn) -> StackingRules:
    """Any exclusion; precedence that follows the alphabet, so that it cannot loop; any cap."""
    pairs = draw(st.sets(st.sampled_from(list(combinations(NAMES, 2))), max_size=4))
    direct = draw(st.sets(st.sampled_from(list(combinations(NAMES, 2))), max_size=3))
    after: dict[str, set[str]] = {}
    for earlier, later in sorted(direct):
        after.setdefault(later, set()).add(earlier)
    for name in NAMES:  # what comes before what comes before it does, too
        for earlier in sorted(after.get(name, ())):
            after[name] |= after.get(earlier, set())
    cap = draw(st.none() | st.sampled_from([Fraction(1, 5), Fraction(1, 2), Fraction(3, 5)]))
    return rules(*sorted(pairs), after=after, cap=cap)


@st.composite
def some_contenders(draw: st.DrawFn) -> list[Contender]:
    """Up to five survivors in document order."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    return [
        Contender(name, place, draw(PRIORITIES), draw(SHARES)) for place, name in enumerate(names)
    ]


def brute_force(
    contenders: list[Contender], most: int, stacking: StackingRules, already: Fraction
) -> frozenset[str]:
    """The same, by trying every set there is against the rules as they are written."""
    possible = [
        c
        for c in contenders
        if stacking.cap is None or not c.share_off or already + c.share_off <= stacking.cap
    ]
    best: tuple[float, int, list[int]] | None = None
    found: frozenset[str] = frozenset()
    sizes = range(most + 1)
    for chosen in chain.from_iterable(combinations(possible, size) for size in sizes):
        ids = {c.action_id for c in chosen}
        off = sum((c.share_off for c in chosen), Fraction(0))
        excluded = any(
            other in stacking.excludes.get(one, frozenset()) for one in ids for other in ids
        )
        out_of_order = any(
            earlier.action_id in stacking.after.get(one, frozenset())
            and earlier.action_id not in ids
            and not any(
                other in stacking.excludes.get(earlier.action_id, frozenset())
                for other in ids - {one}
            )
            for one in ids
            for earlier in possible
        )
        over = stacking.cap is not None and off > 0 and already + off > stacking.cap
        if excluded or out_of_order or over:
            continue
        worth = (fsum(c.priority for c in chosen), len(chosen), sorted(-c.place for c in chosen))
        key = (worth[0], worth[1], worth[2][::-1])
        if best is None or key > best:
            best, found = key, frozenset(ids)
    return found


@given(
    contenders=some_contenders(),
    stacking=some_rules(),
    most=st.integers(0, 5),
    already=st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(3, 4)]),
)
def test_the_best_combination_is_what_trying_everything_finds(
    contenders: list[Contender], stacking: StackingRules, most: int, already: Fraction
) -> None:
    """No allowed set is worth more, none of the same worth is larger or stands earlier."""
    found = best(contenders, most=most, rules=stacking, already=already)

    assert frozenset(found.chosen) == brute_force(contenders, most, stacking, already)
    assert found.left.keys() == {c.action_id for c in contenders} - set(found.chosen)


@given(contenders=some_contenders(), stacking=some_rules(), most=st.integers(1, 5))
def test_the_order_in_which_survivors_come_decides_nothing(
    contenders: list[Contender], stacking: StackingRules, most: int
) -> None:
    """Only the place in the document does."""
    forwards = best(contenders, most=most, rules=stacking)
    backwards = best(contenders[::-1], most=most, rules=stacking)

    assert forwards.chosen == backwards.chosen
    assert forwards.left == backwards.left


@given(
    contenders=some_contenders(),
    stacking=some_rules(),
    most=st.integers(1, 5),
    pair=st.sampled_from(list(combinations(NAMES, 2))),
)
def test_a_further_rule_never_adds_what_it_excludes(
    contenders: list[Contender], stacking: StackingRules, most: int, pair: tuple[str, str]
) -> None:
    """Whoever excludes two from each other never sees both, whatever else holds."""
    excludes = {name: set(stacking.excludes.get(name, ())) for name in NAMES}
    excludes[pair[0]].add(pair[1])
    excludes[pair[1]].add(pair[0])
    ruled = StackingRules(
        {name: frozenset(others) for name, others in excludes.items()}, stacking.after, stacking.cap
    )

    before = best(contenders, most=most, rules=stacking)
    after = best(contenders, most=most, rules=ruled)

    assert not set(pair) <= set(after.chosen)
    if not set(pair) <= {c.action_id for c in contenders}:
        assert after.chosen == before.chosen


@given(contenders=some_contenders(), stacking=some_rules(), most=st.integers(1, 5))
def test_a_lower_cap_never_takes_more_off(
    contenders: list[Contender], stacking: StackingRules, most: int
) -> None:
    """What is chosen under a cap stays within it, however tempting the sum."""
    cap = Fraction(3, 10)
    capped = StackingRules(stacking.excludes, stacking.after, cap)
    shares = {c.action_id: c.share_off for c in contenders}

    chosen = best(contenders, most=most, rules=capped).chosen

    assert sum((shares[name] for name in chosen), Fraction(0)) <= cap


@given(st.permutations(range(9)))
@example([8, 7, 6, 5, 4, 3, 2, 1, 0])
def test_beyond_the_finalists_nothing_is_combined(order: list[int]) -> None:
    """Only the highest five compete, so the work is bounded: the others are worth less."""
    contenders = [Contender(f"n{n}", n, float(rank)) for n, rank in enumerate(order)]
    stacking = rules(("n0", "n1"))

    found = best(contenders, most=9, rules=stacking)

    highest = {c.action_id for c in sorted(contenders, key=lambda c: -c.priority)[:FINALISTS]}
    assert set(found.chosen) <= highest
    assert {found.left[c.action_id] for c in contenders if c.action_id not in highest} == {
        "lower_priority"
    }


def test_joint_actions_beat_an_exclusive_one_together() -> None:
    """Two that may stand together are worth more than one that may not, and it is told why."""
    contenders = [Contender("x", 0, 10.0), Contender("y", 1, 7.0), Contender("z", 2, 6.0)]

    found = best(contenders, most=2, rules=rules(("x", "y"), ("x", "z")))

    assert found.chosen == ("y", "z")
    assert found.ruled
    assert found.left == {"x": "excluded_by:y"}


def test_precedence_goes_before_priority() -> None:
    """What comes before another is chosen though it is worth less."""
    contenders = [Contender("first", 1, 1.0), Contender("then", 0, 8.0)]
    stacking = rules(after={"then": {"first"}})

    one = best(contenders, most=1, rules=stacking)
    both = best(contenders, most=2, rules=stacking)

    assert (one.chosen, one.left) == (("first",), {"then": "comes_after:first"})
    assert both.chosen == ("first", "then")
    assert not both.ruled


def test_whoever_is_excluded_by_a_third_is_not_waited_for() -> None:
    """Precedence orders what competes; it does not make one action need another."""
    contenders = [Contender("a", 0, 1.0), Contender("b", 1, 8.0), Contender("c", 2, 10.0)]
    stacking = rules(("a", "c"), after={"b": {"a"}})

    assert best(contenders, most=2, rules=stacking).chosen == ("c", "b")


def test_precedence_reaches_beyond_the_finalists() -> None:
    """What comes before a finalist is one, too, however little it is worth."""
    contenders = [Contender(f"n{n}", n, 100.0 if n == 0 else 10.0 - n) for n in range(7)]
    stacking = rules(after={"n0": {"n6"}})

    found = best(contenders, most=2, rules=stacking)

    assert found.chosen == ("n6", "n0")
    assert found.left["n1"] == "lower_priority"


def test_what_costs_too_much_takes_no_finalist_s_place_by_coming_first() -> None:
    """Precedence of an action that is worth less than it costs is nobody's business."""
    contenders = [Contender(f"n{n}", n, 10.0 - n) for n in range(5)]
    stacking = rules(after={"n0": {"dear"}})

    found = best([*contenders, Contender("dear", 5, -1.0)], most=5, rules=stacking)

    assert found.chosen == ("n0", "n1", "n2", "n3", "n4")
    assert found.left == {"dear": "costs_too_much"}


def test_the_cap_counts_what_is_off_already() -> None:
    """A discount that fits alone does not fit beside what a personal price took off."""
    contenders = [
        Contender("deep", 0, 9.0, Fraction(1, 5)),
        Contender("small", 1, 5.0, Fraction(1, 10)),
        Contender("gift", 2, 1.0),
    ]
    stacking = rules(cap=Fraction(1, 4))

    fresh = best(contenders, most=3, rules=stacking)
    late = best(contenders, most=3, rules=stacking, already=Fraction(1, 10))

    assert (fresh.chosen, fresh.left) == (
        ("deep", "gift"),
        {"small": "combined_discount_cap"},
    )
    assert (late.chosen, late.left) == (
        ("small", "gift"),
        {"deep": "combined_discount_cap"},
    )


def test_what_never_fits_takes_no_finalist_s_place() -> None:
    """Six that are worth more and too deep leave the five places to others."""
    deep = [Contender(f"d{n}", n, 100.0 + n, Fraction(1, 2)) for n in range(6)]
    plain = [Contender(f"n{n}", 6 + n, 10.0 - n, Fraction(1, 50)) for n in range(6)]

    found = best(deep + plain, most=5, rules=rules(cap=Fraction(1, 4)))

    assert found.chosen == ("n0", "n1", "n2", "n3", "n4")
    assert {found.left[each.action_id] for each in deep} == {"combined_discount_cap"}
    assert found.left["n5"] == "lower_priority"


def test_what_the_cap_never_allows_blocks_nobody() -> None:
    """Precedence of an action that cannot be chosen at all waits for nothing."""
    contenders = [Contender("deep", 0, 9.0, Fraction(1, 2)), Contender("then", 1, 1.0)]
    stacking = rules(after={"then": {"deep"}}, cap=Fraction(1, 4))

    assert best(contenders, most=1, rules=stacking).chosen == ("then",)


def test_nothing_survives_nothing_is_chosen() -> None:
    """Neither without contenders nor where none may be chosen."""
    assert best([], most=3, rules=rules()).chosen == ()
    none = best([Contender("a", 0, 1.0)], most=0, rules=rules())
    assert (none.chosen, none.left) == ((), {"a": "lower_priority"})


def test_priorities_as_large_as_a_policy_can_make_them_add_up() -> None:
    """No sum of finalists overflows."""
    huge = 1000.0**33 * 1e12
    contenders = [Contender(name, place, huge) for place, name in enumerate(NAMES)]

    found = best(contenders, most=5, rules=rules(("a", "b")))

    assert set(found.chosen) == {"a", "c", "d", "e"}
