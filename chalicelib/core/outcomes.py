"""What became of explored choices: which were shown, accepted, or followed by an order.

A trial is the first choice of a customer at a placement within one session, or by itself where
there is no session. An order counts once: for the choice whose code it used, else for the last
choice before it, within the reward window. So nothing is known of a trial before that window has
passed, and it is left out until then: counting early acceptances before late refusals would flatter
everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.core.actions import REACHED_AT
from chalicelib.core.effects import State, effect_id
from chalicelib.core.erasure import is_erased
from chalicelib.core.exploration import NOTHING
from chalicelib.core.instants import DAY_SECONDS

# A mail in any of these states was handed to the provider and did not come back.
_SHOWN: frozenset[State] = frozenset({"ACCEPTED", "DELIVERED", "COMPLAINED"})


class Trial(NamedTuple):
    """One choice, as its record tells it.

    Attributes:
        decision_id: names the record.
        subject_key: whom it was made for.
        placement: where.
        session_id: within which session, None outside of one.
        segment: what the customer was taken for.
        action: what was chosen, or would have been; ``NOTHING`` where nothing was.
        withheld: whether it was kept from a control group.
        decided_at: when.
        code: the code that was shown with it.
    """

    decision_id: str
    subject_key: str
    placement: str
    session_id: str | None
    segment: str
    action: str
    withheld: bool
    decided_at: int
    code: str | None

    @property
    def mail(self) -> str:
        """The effect that tells it by mail, where one was planned."""
        return effect_id("mail", self.decision_id, self.action)

    @property
    def unit(self) -> tuple[str, str, str]:
        """What is tried once: a customer at a placement, in a session or by one decision."""
        return self.subject_key, self.placement, self.session_id or self.decision_id


class Bought(NamedTuple):
    """An order that counts.

    Attributes:
        at: when it was placed, None where only its code is known.
        paid_minor: what was paid, less what was refunded; 0 in another currency than the policy's.
        codes: the codes that it used, each with the discount in minor units.
    """

    order_id: str
    at: int | None
    paid_minor: int
    codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known besides the decisions.

    Attributes:
        bought: orders by subject.
        mails: states of mails by effect id.
        known_as: the customer whom a guest turned out to be, by subject key.
        opted_out: when somebody wanted no more marketing, by subject.
    """

    bought: Mapping[str, Sequence[Bought]] = field(default_factory=dict)
    mails: Mapping[str, State] = field(default_factory=dict)
    known_as: Mapping[str, str] = field(default_factory=dict)
    opted_out: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What became of one trial once its reward window has passed.

    Attributes:
        shown: whether it reached the customer.
        accepted: its code was redeemed; without a code, an order followed.
        ordered: an order followed, with or without its code.
        paid_minor: what was paid in those orders, in the policy's currency.
        discount_minor: what its code gave away.
    """

    trial: Trial
    shown: bool
    accepted: bool
    ordered: bool
    paid_minor: int
    discount_minor: int


def trial_of(record: Mapping[str, Any]) -> Trial | None:
    """Read a trial from a record.

    None where no choice was made: in a session that keeps what it was shown, in a holdout to which
    nothing would have been done, and where the person was erased.
    """
    if is_erased(record):
        return None
    situation, decision = record["situation"], record["decision"]
    choice = decision.get("choice")
    if choice is None and (decision["holdout"] or _kept(decision) or "choice" not in decision):
        return None
    action = NOTHING if choice is None else choice["action"]
    codes = {offer["action"]: offer["code"] for offer in decision["offers"]}
    return Trial(
        decision_id=record["decision_id"],
        subject_key=record["subject"],
        placement=situation["placement"],
        session_id=situation["context"]["session_id"],
        segment=decision["segment"],
        action=action,
        withheld=choice is not None and choice["withheld"] is not None,
        decided_at=record["decided_at"],
        code=codes.get(action),
    )


def _kept(decision: Mapping[str, Any]) -> bool:
    return any(layer == "session" for _, _, layer, _ in decision["candidates"])


def outcomes_of(
    trials: Iterable[Trial], ledger: Ledger, *, reward_window_days: int, now: int
) -> Iterator[Outcome]:
    """Say what became of each trial whose reward window has passed by ``now``."""
    window = reward_window_days * DAY_SECONDS
    for person, theirs in _by_person(trials, ledger.known_as).items():
        followed = _attributed(theirs, ledger.bought.get(person, ()), window)
        for trial in theirs:
            if trial.decided_at + window <= now:
                yield _outcome(trial, followed.get(trial, ()), ledger.mails)


def _by_person(trials: Iterable[Trial], known_as: Mapping[str, str]) -> dict[str, list[Trial]]:
    """The first trial of each unit, by person, oldest first; a decision counts once."""
    first: dict[tuple[str, str, str], Trial] = {}
    for trial in trials:
        person = known_as.get(trial.subject_key, trial.subject_key)
        _, placement, occasion = trial.unit
        unit = (person, placement, occasion)
        if unit not in first or _age(trial) < _age(first[unit]):
            first[unit] = trial
    by_person: dict[str, list[Trial]] = {}
    for (person, _, _), trial in first.items():
        by_person.setdefault(person, []).append(trial)
    for theirs in by_person.values():
        theirs.sort(key=_age)
    return by_person


def _age(trial: Trial) -> tuple[int, str]:
    return trial.decided_at, trial.decision_id


def _attributed(
    trials: Sequence[Trial], bought: Iterable[Bought], window: int
) -> dict[Trial, list[Bought]]:
    """Each order with the one trial that it counts for."""
    followed: dict[Trial, list[Bought]] = {}
    for order in bought:
        before = [each for each in trials if _may_have_led_to(each, order, window)]
        using_its_code = [each for each in before if each.code in order.codes]
        if using_its_code or (before and order.at is not None):
            followed.setdefault((using_its_code or before)[-1], []).append(order)
    return followed


def _may_have_led_to(trial: Trial, order: Bought, window: int) -> bool:
    return order.at is None or trial.decided_at <= order.at <= trial.decided_at + window


def _outcome(trial: Trial, orders: Sequence[Bought], mails: Mapping[str, State]) -> Outcome:
    code = trial.code
    redeemed = [o.codes[code] for o in orders if code is not None and code in o.codes]
    state = mails.get(trial.mail) if trial.placement in REACHED_AT else None
    shown = not trial.withheld and (state is None or state in _SHOWN)
    accepted = bool(orders) if code is None else bool(redeemed)
    return Outcome(
        trial=trial,
        shown=shown,
        accepted=shown and accepted,
        ordered=bool(orders),
        paid_minor=sum(order.paid_minor for order in orders),
        discount_minor=sum(redeemed),
    )
