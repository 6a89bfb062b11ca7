"""``python -m ops breaker``: what is counted, and the count begun anew by whoever may."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from chalicelib.aws.store import DynamoStore
from chalicelib.core.breaker import MOST_RESTARTS, SHARDS, Counts, Tally, shard_of
from chalicelib.core.errors import BadInput, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER, SWITCH
from chalicelib.core.storage import WHATEVER, Conflict, Put
from chalicelib.flows.breaker import read_standing
from chalicelib.flows.breaker_reset import reset
from ops.cli import main
from tests.fakes import MemoryStore
from tests.mail_events import hear, ses_event
from tests.mail_makers import NOW, World, mail_effect, world_with_a_mail
from tests.stack import create_tables

DAY = NOW // DAY_SECONDS
WHY = "the list of May is deleted"
BAD = Counts(1000, 45, 0)


def counted(store: Any, counts: Counts, *, now: int = NOW, shard: int = 3) -> None:
    """Let these counts of a day stand in one shard."""
    day = now // DAY_SECONDS
    store.write([Put(BREAKER.key(str(shard)), Tally({day: counts}), WHATEVER)], now=now)


def test_an_open_breaker_lets_the_very_next_mail_go() -> None:
    """Held before, sent after; and it may open again on what is sent from then on."""
    world = world_with_a_mail()
    counted(world.store, BAD)
    assert world.act().put_off == "breaker_bounces"

    before = reset(world.store, reason=WHY, now=NOW + 5)

    assert before.opened_by == "breaker_bounces"
    world.plan(mail_effect("f" * 32))
    assert world.act("f" * 32, now=NOW + 5).state == "ACCEPTED"
    assert world.act(now=NOW + 900, worker="w-2").state == "ACCEPTED"  # when its hold is over
    counted(world.store, BAD, now=NOW + 900, shard=5)
    assert read_standing(world.store, now=NOW + 900).opened_by == "breaker_bounces"


def test_bounces_of_mails_sent_before_are_no_longer_counted() -> None:
    """They come for days; each still suppresses its address, none opens the breaker again."""
    world = world_with_a_mail()
    world.act()
    reset(world.store, reason=WHY, now=NOW + 60)

    hear(world, ses_event("bounce"))

    assert world.effect().state == "BOUNCED"
    assert len(world.store.all("address")) == 1
    assert read_standing(world.store, now=NOW + 3600).by_day == {}


def test_mails_sent_since_are_counted() -> None:
    """In every shard, whether it had counted anything before or not; by when they were sent."""
    world = World()
    counted(world.store, BAD)
    reset(world.store, reason=WHY, now=NOW)
    names = [f"{n:032x}" for n in range(40)]
    assert {shard_of(name) for name in names} == {str(n) for n in range(SHARDS)}
    for name in names:
        world.plan(replace(mail_effect(name), state="ACCEPTED", posts=1))

    for number, name in enumerate(names):
        hear(world, ses_event("bounce", effect_id=name, sent_at=NOW + number - 10))

    [total] = read_standing(world.store, now=NOW + 60).by_day.values()
    assert total == Counts(sent=30, bounced=30)


def test_what_was_counted_is_kept_with_the_reason() -> None:
    """For whoever asks later why mail went on; the last fifty times."""
    store = MemoryStore()
    counted(store, BAD)

    for number in range(MOST_RESTARTS + 2):
        reset(store, reason=f"{WHY} ({number})", now=NOW + number)

    restarts = read_standing(store, now=NOW + 99).restarts
    assert len(restarts) == MOST_RESTARTS
    assert (restarts[0].reason, restarts[0].by_day) == (f"{WHY} (2)", {})
    assert restarts[-1].at == NOW + MOST_RESTARTS + 1


def test_the_first_restart_keeps_the_days() -> None:
    """As they stood, over all shards."""
    store = MemoryStore()
    counted(store, BAD)
    counted(store, Counts(7, 0, 1), shard=0)

    reset(store, reason=WHY, now=NOW)

    [only] = read_standing(store, now=NOW).restarts
    assert (only.at, only.reason, only.by_day) == (NOW, WHY, {DAY: Counts(1007, 45, 1)})


def test_a_worker_that_counts_meanwhile_loses_nothing() -> None:
    """The reset looks again: what was counted in between is in the record."""
    store = MemoryStore()
    counted(store, BAD)
    store.before_write = lambda: counted(store, Counts(500), shard=1)

    reset(store, reason=WHY, now=NOW)

    standing = read_standing(store, now=NOW)
    assert standing.by_day == {}
    assert standing.restarts[-1].by_day == {DAY: Counts(1500, 45, 0)}


@pytest.mark.parametrize("error", [Conflict([]), Transient("no answer")])
def test_a_reset_is_whole_or_did_not_happen(error: Exception) -> None:
    """All shards and the record are one transaction."""
    store = MemoryStore()
    counted(store, BAD)
    before = dict(store.all("breaker"))
    store.fail_writes(*[error] * 8)

    with pytest.raises(type(error)):
        reset(store, reason=WHY, now=NOW)

    assert store.all("breaker") == before
    assert store.all("restarts") == {}


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("", "one line"),
        ("  ", "one line"),
        ("a\nb", "one line"),
        ("x" * 201, "one line"),
        ("ada@example.com complained", "must not hold an address"),
    ],
)
def test_a_reason_says_something_and_names_nobody(reason: str, problem: str) -> None:
    """It is stored and logged."""
    with pytest.raises(BadInput, match=f"reason: .*{problem}"):
        reset(MemoryStore(), reason=reason, now=NOW)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def store(aws: None) -> DynamoStore:
    """A stage whose stack says where its control table is, with an open breaker."""
    client = boto3.client("dynamodb")
    table = create_tables(client)["control"]
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {"ControlTable": {"Value": table}},
    }
    boto3.client("cloudformation").create_stack(
        StackName="segue-prod", TemplateBody=json.dumps(template)
    )
    store = DynamoStore(lambda: client, tables={"control": table})
    counted(store, BAD, now=int(time.time()))
    return store


def run(*arguments: str, answer: str | None = None) -> Result:
    """Type the command."""
    return CliRunner().invoke(main, ["breaker", *arguments], input=answer)


def told(result: Result) -> dict[str, Any]:
    """Its last line."""
    line: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return line


def test_it_shows_days_shares_and_whether_it_is_open(store: DynamoStore) -> None:
    """For a person in lines, for a program in JSON; and it changes nothing."""
    result = run("--stage", "prod")

    assert result.exit_code == 0
    assert "the breaker of prod is OPEN (breaker_bounces)" in result.output
    assert "45 (4.500 %)" in result.output
    assert "it opens at 4 % bounced or 0.08 % complained (and 6 of them), on 1,000 mails" in (
        result.output
    )
    found = told(result)
    assert (found["open"], found["sent"], found["bounced"]) == (True, 1000, 45)
    assert list(found["by_day"].values()) == [{"sent": 1000, "bounced": 45, "complained": 0}]
    assert told(run("--stage", "prod")) == found


@pytest.mark.parametrize(
    "arguments",
    [
        ["reset", "--stage", "prod", "--reason", WHY],
        ["--stage", "prod", "reset", "--reason", WHY],
    ],
)
@pytest.mark.parametrize(("flags", "answer"), [(["--yes"], None), ([], "y\n")])
def test_with_a_yes_it_begins_anew(
    store: DynamoStore, arguments: list[str], flags: list[str], answer: str | None
) -> None:
    """Wherever the stage is named; with a line for the log, and the reason kept."""
    result = run(*arguments, *flags, answer=answer)

    assert result.exit_code == 0
    assert told(result)["open"] is False
    line = next(json.loads(each) for each in result.stderr.splitlines() if each.startswith("{"))
    assert (line["event"], line["stage"], line["reason"]) == ("breaker_reset", "prod", WHY)
    shown = run("--stage", "prod").output
    assert "the breaker of prod is closed" in shown
    assert f"{WHY} (until then 1,000 sent, 45 bounced, 0 complained)" in shown


def test_without_a_yes_it_does_nothing(store: DynamoStore) -> None:
    """It shows how the breaker stands, and asks."""
    result = run("reset", "--stage", "prod", "--reason", WHY, answer="n\n")

    assert result.exit_code == 1
    assert "OPEN (breaker_bounces)" in result.output
    assert "count anew from now on?" in result.output
    assert told(run("--stage", "prod"))["open"] is True


@pytest.mark.parametrize(
    ("arguments", "problem", "code"),
    [
        (["--stage", "nowhere"], "there is no stack segue-nowhere here: deploy it first", 1),
        (
            ["reset", "--stage", "nowhere", "--reason", WHY, "--yes"],
            "there is no stack segue-nowhere here: deploy it first",
            1,
        ),
        (["reset", "--stage", "prod", "--yes"], "--reason", 2),
        (["reset", "--stage", "prod", "--reason", "a@b.example", "--yes"], "reason: must not", 1),
    ],
)
def test_a_wrong_stage_or_reason_is_a_clear_error(
    store: DynamoStore, arguments: list[str], problem: str, code: int
) -> None:
    """One line that names the cause, and nothing done."""
    result = run(*arguments)

    assert result.exit_code == code
    assert problem in result.output
    assert told(run("--stage", "prod"))["open"] is True


def test_it_leaves_the_switches_alone(store: DynamoStore) -> None:
    """They lie in the same table."""
    run("reset", "--stage", "prod", "--reason", WHY, "--yes")

    assert store.read([SWITCH.key("0")], now=NOW).value(SWITCH.key("0")) is None
