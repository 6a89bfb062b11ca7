"""What became of choices: which order counts for which, and from when on anything is known."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.effects import State, effect_id
from chalicelib.core.erasure import erased_record
from chalicelib.core.exploration import NOTHING
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.offers import Offer
from chalicelib.core.outcomes import Bought, Ledger, Outcome, Trial, outcomes_of, trial_of
from chalicelib.core.situation import Context, Held, Situation
from chalicelib.core.subject import customer
from tests.unit.core.learnt import learned, trial
from tests.unit.core.situations import NOW, checkout
from tests.unit.core.test_engagement_conditions import policy_with
from tests.unit.core.test_exploration import exploring, recorded

WINDOW = 14
LATER = NOW + 100 * DAY_SECONDS
OFFER = {
    "segments": ["at_risk"],
    "offer": {"kind": "percent_off", "value": 5, "valid_days": 3},
}


def day(number: float) -> int:
    """So many days after the first choice."""
    return NOW + round(number * DAY_SECONDS)


def bought(order_id: str, at: int | None, paid_minor: int = 3000, **codes: int) -> Bought:
    """An order, and the discounts of its codes."""
    return Bought(order_id, at, paid_minor, codes)


def became(
    *trials: Trial,
    orders: tuple[Bought, ...] = (),
    now: int = LATER,
    **ledger: Any,
) -> dict[str, Outcome]:
    """Outcomes by decision, of one customer."""
    known = Ledger(bought={"c#c-1": orders}, **ledger)
    told = outcomes_of(trials, known, reward_window_days=WINDOW, now=now)
    return {outcome.trial.decision_id: outcome for outcome in told}


def test_a_redeemed_code_is_an_acceptance() -> None:
    """It brings what was paid and what was given away."""
    outcome = became(trial(), orders=(bought("o-1", day(3), CODE=150),))["d_1"]

    assert (outcome.accepted, outcome.ordered) == (True, True)
    assert (outcome.paid_minor, outcome.discount_minor) == (3000, 150)


def test_an_order_without_the_code_is_no_acceptance_of_an_offer() -> None:
    """They ordered, which counts for the lift, but not by what was offered."""
    outcome = became(trial(), orders=(bought("o-1", day(3)),))["d_1"]

    assert (outcome.accepted, outcome.ordered, outcome.discount_minor) == (False, True, 0)


def test_an_order_accepts_what_offers_no_code() -> None:
    """A reminder or a banner is accepted by an order."""
    assert became(trial(code=None), orders=(bought("o-1", day(3)),))["d_1"].accepted


@pytest.mark.parametrize(("at", "counts"), [(-0.1, False), (0, True), (14, True), (14.1, False)])
def test_only_what_follows_within_the_window_counts(at: float, counts: bool) -> None:
    """From the moment of the choice to the end of the window."""
    outcome = became(trial(), orders=(bought("o-1", day(at), CODE=150),))["d_1"]

    assert outcome.ordered is counts
    assert outcome.accepted is counts


@pytest.mark.parametrize("orders", [(), (bought("o-1", day(1), CODE=150),)])
def test_nothing_is_known_before_the_window_has_passed(orders: tuple[Bought, ...]) -> None:
    """Not even an acceptance: those who refuse would be missing beside it."""
    assert became(trial(), orders=orders, now=day(14) - 1) == {}
    assert list(became(trial(), orders=orders, now=day(14))) == ["d_1"]


def test_an_order_counts_once_for_the_last_choice_before_it() -> None:
    """Whoever was shown two things is not counted as having accepted both."""
    told = became(
        trial("d_1", code=None), trial("d_2", code=None, decided_at=day(2)),
        trial("d_3", code=None, decided_at=day(5)), orders=(bought("o-1", day(3)),),
    )  # fmt: skip

    assert [each.ordered for each in told.values()] == [False, True, False]


def test_a_code_counts_for_the_choice_that_showed_it() -> None:
    """Also where another choice stands between them; a code that was shown twice, for the last."""
    told = became(
        trial("d_1"), trial("d_2", decided_at=day(1)),
        trial("d_3", code=None, action="a-1", decided_at=day(2)),
        orders=(bought("o-1", day(3), CODE=150),),
    )  # fmt: skip

    assert [each.accepted for each in told.values()] == [False, True, False]


def test_a_code_whose_order_nobody_told_of_counts_for_its_choice() -> None:
    """A shop that redeems by call and sends no events: when is not known, that it was is."""
    told = became(trial(), trial("d_2", code=None), orders=(bought("o-1", None, 0, CODE=150),))

    assert told["d_1"].accepted
    assert not told["d_2"].ordered


def test_an_order_of_which_nothing_is_known_accepts_nothing_else() -> None:
    """Without a moment and without the code of a choice it is nobody's."""
    told = became(trial(code=None), orders=(bought("o-1", None, 0, OTHER=150),))

    assert not told["d_1"].ordered


def test_a_session_is_one_trial() -> None:
    """Ten page views are not ten chances to accept; the first of them stands."""
    views = [
        trial(f"d_{n}", session_id="s-1", code=None, decided_at=day(n / 100)) for n in range(9)
    ]

    told = became(*reversed(views), orders=(bought("o-1", day(1)),))

    assert list(told) == ["d_0"]
    assert told["d_0"].accepted


def test_a_guest_who_turns_out_to_be_a_customer_is_one_person() -> None:
    """The order of the customer follows from the choice that the guest was shown."""
    known = {"a#v-1": "c#c-1"}
    told = became(
        trial(subject_key="a#v-1", code=None), orders=(bought("o-1", day(1)),), known_as=known
    )

    assert told["d_1"].accepted


@pytest.mark.parametrize(
    ("state", "shown"),
    [("ACCEPTED", True), ("DELIVERED", True), ("COMPLAINED", True), ("BOUNCED", False),
     ("REJECTED", False), ("SUPPRESSED", False), ("FAILED", False), ("ABANDONED", False),
     ("IN_DOUBT", False), ("PLANNED", False)],
)  # fmt: skip
def test_a_mail_that_did_not_arrive_was_not_shown(state: State, shown: bool) -> None:
    """What nobody saw, nobody refused."""
    mail = effect_id("mail", "d_1", "a-0")
    told = became(
        trial(placement="mail"), orders=(bought("o-1", day(1), CODE=1),), mails={mail: state}
    )

    assert (told["d_1"].shown, told["d_1"].accepted) == (shown, shown)
    assert told["d_1"].ordered


def test_what_was_withheld_was_not_shown() -> None:
    """The control group orders or does not; it accepts nothing."""
    told = became(trial(withheld=True, code=None), orders=(bought("o-1", day(1)),))

    assert (told["d_1"].shown, told["d_1"].accepted, told["d_1"].ordered) == (False, False, True)


@given(
    orders=st.lists(st.floats(-5, 40), max_size=8),
    decided=st.lists(st.floats(0, 20), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_the_order_of_arrival_changes_nothing_and_no_order_counts_twice(
    orders: list[float], decided: list[float], seed: int
) -> None:
    """Trials and orders may come from the tables in any order, and some trials twice."""
    trials = [trial(f"d_{n}", decided_at=day(at), code=None) for n, at in enumerate(decided)]
    made = tuple(bought(f"o-{n}", day(at), 1) for n, at in enumerate(orders))
    rng = random.Random(seed)  # noqa: S311

    told = became(*trials, orders=made)
    again = became(*rng.sample(trials * 2, 2 * len(trials)),
                   orders=tuple(rng.sample(made, len(made))))  # fmt: skip

    assert told == again
    assert sum(each.paid_minor for each in told.values()) <= len(orders)


def of(situation: Situation, **changes: Any) -> Trial | None:
    """What the record of a decision tells."""
    return trial_of(recorded(situation, exploring(OFFER, OFFER, **changes)))


def test_a_record_tells_its_trial() -> None:
    """Who, where, in which session, what, when, and the code that was shown."""
    told = of(checkout(learned=learned()))

    assert told is not None
    assert told.action == "a-0"
    assert told.code is not None
    assert told == Trial("d_1", "c#c-1", "checkout", "s-1", "at_risk", "a-0", False, NOW, told.code)


def test_where_nothing_survives_nothing_was_chosen() -> None:
    """It is a choice all the same, which another policy might make otherwise."""
    told = of(checkout(context=Context(country="US", region="TX", gpc=True)))

    assert told is not None
    assert (told.action, told.code) == (NOTHING, None)


def test_what_a_session_keeps_is_no_trial() -> None:
    """It was tried when it was first shown."""
    kept = Offer("a-0", "CODE", "percent_off", 5, LATER)

    assert of(checkout(held=Held(None, (kept,)))) is None


def test_an_erased_record_and_one_from_before_tell_nothing() -> None:
    """Nobody is learned from who was erased."""
    record = recorded(checkout(), exploring(OFFER))
    assert trial_of(erased_record(record, pseudonym="x", at=NOW)) is None

    del record["decision"]["choice"]
    assert trial_of(record) is None


def test_the_holdout_tells_what_was_withheld() -> None:
    """And nothing where nothing would have been done."""
    everybody = {"share_percent": 50, "salt": "s"}
    policy = policy_with({}, exploration={}, holdout=everybody)
    nothing = policy_with({"min_churn": 1.0}, exploration={}, holdout=everybody)
    for number in range(40):
        situation = checkout(decision_id=f"d_{number}", subject=customer(f"c-{number}"))
        record = recorded(situation, policy)
        if record["decision"]["holdout"]:
            told = trial_of(record)
            assert told is not None
            assert (told.action, told.withheld) == ("a-0", True)
            assert trial_of(recorded(situation, nothing)) is None
            return
    pytest.fail("nobody of forty is in a holdout of half")
