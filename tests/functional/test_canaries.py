"""No personal data outside of the tables: canaries in every field and in every error's text.

Each run says something to the service with a canary in a field (or two) that it did not have, and
breaks what lies behind it with an error whose text quotes the canary, as AWS and botocore do. Then
every log line, metric, queue message, bus event, standard stream and escaping exception is
searched. Only what a caller chooses to be logged may hold their words: correlation ids.
"""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest

from chalicelib import telemetry
from tests.canaries.calls import CALLS
from tests.canaries.words import CANARY
from tests.canaries.workers import WORKERS
from tests.canaries.zoo import Way, hits, misplaced, one_run, open_zoo

RUNS = 2_000
SWEPT_RUNS = 20_000
RUNS_IN_A_SHOP = 54
WAYS: tuple[Way, ...] = (*CALLS, *WORKERS)


def play(runs: int, capsys: pytest.CaptureFixture[str], *, quoting: bool) -> Counter[str]:
    """Runs in shop after shop, every way as often as its part; returns how often each was gone."""
    found: list[str] = []
    gone: Counter[str] = Counter()
    seed = 0
    while gone.total() < runs:
        with open_zoo(seed, quoting=quoting) as zoo:
            ways = [*WAYS] * (RUNS_IN_A_SHOP // len(WAYS))
            zoo.chance.shuffle(ways)
            for way in ways[: runs - gone.total()]:
                gone[way.__name__] += 1
                found += [f"seed {seed}: {hit}" for hit in one_run(zoo, way)]
            found += [f"seed {seed}: stored in {hit}" for hit in misplaced(zoo.memory)]
        streams = capsys.readouterr()
        found += hits(f"seed {seed}: streams", streams.out + streams.err, CANARY)
        seed += 1
    assert found == [], found[:9]
    return gone


@pytest.mark.slow
@pytest.mark.parametrize("quoting", [False, True], ids=["bugs", "aws"])
def test_no_canary_gets_out(quoting: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """In 2,000 seeded runs: 0 in any log line, metric, dead letter, bus event or exception."""
    gone = play(RUNS // 2, capsys, quoting=quoting)

    assert gone.total() == RUNS // 2
    assert set(gone) == {way.__name__ for way in WAYS}
    assert min(gone.values()) >= RUNS // 2 // len(WAYS) - 1


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.parametrize("quoting", [False, True], ids=["bugs", "aws"])
def test_no_canary_gets_out_of_many_more_runs(
    quoting: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """In 20,000 seeded runs: 0."""
    assert play(SWEPT_RUNS // 2, capsys, quoting=quoting).total() == SWEPT_RUNS // 2


def test_the_search_finds_what_gets_out() -> None:
    """A line, a message or an exception that quotes somebody is a hit: green means something."""

    def in_a_line(_: object) -> None:
        telemetry.log_event("request", reason=f"no mail for {CANARY}@example.com")

    def in_a_message(zoo: object) -> None:
        zoo.shop.queue.send([{"subject": f"c#{CANARY}"}])  # type: ignore[attr-defined]

    def in_an_exception(_: object) -> None:
        raise KeyError(CANARY)

    with open_zoo(0, quoting=False) as zoo:
        for way in (in_a_line, in_a_message, in_an_exception):
            assert one_run(zoo, way)


def test_canaries_reach_every_table_and_every_refusal() -> None:
    """The runs are no dry runs: they are stored, refused, sent, dropped and broken."""
    seen: set[str] = set()
    kinds: set[str] = set()
    statuses: dict[str, set[int]] = {}
    for seed in range(8):
        with open_zoo(seed, quoting=False) as zoo:
            for way in [*WAYS] * 2:
                log = io.StringIO()
                one_run(zoo, way, log=log)
                seen |= {json.loads(line)["event"] for line in log.getvalue().splitlines()}
            kinds |= {
                line.split(" ")[0] for line in zoo.memory.dump().splitlines() if CANARY in line
            }
            for name, given in zoo.statuses.items():
                statuses.setdefault(name, set()).update(given)

    assert {
        "facts", "contact", "order", "record", "session", "effect", "consent", "coupon", "live",
        "ledger_head",
    } <= kinds  # fmt: skip
    assert {
        "chronicled",
        "consent_recorded",
        "control_flipped",
        "customer_erased",
        "drop_failed",
        "drop_finished",
        "effect_failed",
        "effect_moved",
        "effect_refused",
        "effect_unreadable",
        "flow_broke",
        "key_refused",
        "mail_event",
        "mail_event_refused",
        "offer_refused",
        "request",
        "reviewed",
        "swept",
        "unsubscribed",
    } <= seen
    told = {status for given in statuses.values() for status in given}
    assert {200, 202, 400, 404, 405, 409, 422, 500, 503} <= told
