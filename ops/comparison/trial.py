"""Plays scenarios and counts what reached SES, mail by mail."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import boto3.session

from ops.comparison.contenders import (
    SENDER,
    SHORT_MILLIS,
    Contender,
    Died,
    Message,
    MessageFailed,
    Mortality,
    PlainBoto3,
    Powertools,
    ses_client,
)
from ops.comparison.scenarios import SCENARIOS, SPELL, Scenario
from ops.comparison.segue import Purpose, Segue
from ops.moto_in_turns import moto_in_turns
from ops.resources import create_resources
from ops.ses.account import Account, ConfigurationSet, Identity
from ops.ses.script import SERVER_ERROR, Close, Fault, Hang, Step
from ops.ses.server import SesServer, serving
from ops.ses.stand_in import SesStandIn

RECEIVES = 5  # then the queue parks a message
VISIBILITY_SECONDS = 360
BEGIN = 1_772_000_000
# Each play has days of its own, so that none uses up another's quota.
DAYS_APART_SECONDS = 2 * 86_400
MAILS = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the mails of one scenario with one contender.

    Attributes:
        mails: how many there should be.
        posts: how many requests SES got.
        duplicates: mails that SES took beyond the first of each.
        lost: mails of which SES took none.
        in_doubt: mails of which the contender itself says that it does not know.
    """

    mails: int
    posts: int
    duplicates: int
    lost: int
    in_doubt: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.mails + other.mails,
            self.posts + other.posts,
            self.duplicates + other.duplicates,
            self.lost + other.lost,
            self.in_doubt + other.in_doubt,
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """Everybody who is compared, at one SES.

    Attributes:
        server: the stand-in.
        mortality: lets a worker die.
        contenders: Segue last.
        plays: numbers the plays, so that no mail of one is known from another.
    """

    server: SesServer
    mortality: Mortality
    contenders: Sequence[Contender]
    plays: Iterator[int] = field(default_factory=itertools.count)


@contextmanager
def bench() -> Iterator[Bench]:
    """Set up an AWS in memory, a stand-in for SES and the contenders."""
    mortality = Mortality()
    with moto_in_turns(), serving(SesStandIn(_account())) as server:
        session = boto3.session.Session(region_name="us-east-1")
        environment = create_resources(session, prefix="comparison")
        chosen = environment["SEGUE_CONFIGURATION_SET"]
        known = ConfigurationSet(chosen)
        server.stand_in.account.configuration_sets[chosen] = known

        def plain() -> Any:
            return ses_client(server.url, mortality)

        def once() -> Any:
            return ses_client(server.url, mortality, retries={"total_max_attempts": 1})

        def segue(purpose: Purpose) -> Segue:
            return Segue(environment, mortality, mail_url=server.url, now=BEGIN, purpose=purpose)

        off = "Powertools, SDK retries off"
        contenders: Sequence[Contender] = (
            PlainBoto3(plain, configuration_set=chosen),
            Powertools(plain, configuration_set=chosen),
            Powertools(once, configuration_set=chosen, name=off),
            segue("marketing_email"),
            segue("transactional"),
        )
        yield Bench(server, mortality, contenders)


def play(bench: Bench, contender: Contender, scenario: Scenario, *, mails: int = MAILS) -> Tally:
    """Play one scenario with so many mails, until the queue is quiet."""
    nth = next(bench.plays)
    messages = [_message(contender, nth, number) for number in range(mails)]
    begin = BEGIN + nth * DAYS_APART_SECONDS
    contender.plan(messages, now=begin)
    for message in messages:
        bench.server.stand_in.script.add(*scenario.steps(message.recipient))
        bench.mortality.armed = scenario.dies
        _deliver(contender, message, scenario, begin)
    return _count(bench, contender, messages)


def posts_for_one_attempt(bench: Bench, contender: Contender, fault: Fault) -> int:
    """How many requests one delivery makes when SES accepts and then fails every time."""
    nth = next(bench.plays)
    message, begin = _message(contender, nth, 0), BEGIN + nth * DAYS_APART_SECONDS
    contender.plan([message], now=begin)
    step = Step(fault, after_accepting=True, times=10 * SPELL, recipient=message.recipient)
    bench.server.stand_in.script.add(step)
    _attempt(contender, message, begin, receive=0, short=False)
    bench.server.stand_in.script.clear()
    return _posts(bench, [message])[message.effect_id]


FAILURES: dict[str, Fault] = {
    "answers 500": SERVER_ERROR,
    "closes": Close(),
    "is silent": Hang(),
}
Comparison = dict[str, dict[str, Tally]]


def compare(
    bench: Bench,
    *,
    mails: int = MAILS,
    scenarios: Sequence[Scenario] = SCENARIOS,
    say: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Play every scenario with every contender: tallies by title and name."""
    table: Comparison = {}
    for scenario in scenarios:
        say(scenario.title)
        table[scenario.title] = {
            each.name: play(bench, each, scenario, mails=mails) for each in bench.contenders
        }
    return table


def _deliver(contender: Contender, message: Message, scenario: Scenario, begin: int) -> None:
    """As SQS does: again after each failure, and as the scenario says."""
    if scenario.delivery == "two at once":
        done = _two_at_once(contender, message, begin)
    else:
        done = _attempt(contender, message, begin, receive=0, short=scenario.dies)
    for receive in range(1, RECEIVES):
        if done:
            break
        if scenario.dies:
            time.sleep(2 * SHORT_MILLIS / 1000)  # Powertools reads the clock for itself
        done = _attempt(contender, message, begin, receive=receive, short=False)
    if scenario.delivery == "again":
        _attempt(contender, message, begin, receive=RECEIVES, short=False)


def _attempt(
    contender: Contender, message: Message, begin: int, *, receive: int, short: bool
) -> bool:
    """One delivery; whether the message is done with."""
    now = begin + receive * VISIBILITY_SECONDS
    return _handled(contender, message, worker=f"w-{receive}", now=now, short=short)


def _handled(
    contender: Contender, message: Message, *, worker: str, now: int, short: bool = False
) -> bool:
    try:
        contender.handle(message, worker=worker, now=now, short=short)
    except (MessageFailed, Died):
        return False
    return True


def _two_at_once(contender: Contender, message: Message, begin: int) -> bool:
    ready = threading.Barrier(2)

    def work(worker: str) -> bool:
        ready.wait()
        return _handled(contender, message, worker=worker, now=begin)

    with ThreadPoolExecutor(2) as workers:
        return all(list(workers.map(work, ("w-a", "w-b"))))


def _message(contender: Contender, play: int, number: int) -> Message:
    """A mail that is nobody else's, the same one in every run."""
    named = hashlib.sha256(f"{contender.name}/{play}/{number}".encode()).hexdigest()[:32]
    recipient = f"c-{named[:16]}@example.net"
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = SENDER, recipient, "We miss you"
    mail.set_content("Come back.\n")
    return Message(named, recipient, mail.as_bytes())


def _count(bench: Bench, contender: Contender, messages: Sequence[Message]) -> Tally:
    accepted = bench.server.stand_in.accepted_by_tag("effect_id")
    taken = [accepted[message.effect_id] for message in messages]
    return Tally(
        mails=len(messages),
        posts=sum(_posts(bench, messages).values()),
        duplicates=sum(max(0, count - 1) for count in taken),
        lost=taken.count(0),
        in_doubt=contender.in_doubt(messages),
    )


def _posts(bench: Bench, messages: Sequence[Message]) -> Counter[str]:
    ours = {message.effect_id for message in messages}
    tagged = [post.tags.get("effect_id", "") for post in bench.server.stand_in.posts]
    return Counter(name for name in tagged if name in ours)


def _account() -> Account:
    account = Account(production=True, rate=10_000, max_24_hours=1_000_000)
    account.identities["example.com"] = Identity("example.com", verified=True)
    return account
