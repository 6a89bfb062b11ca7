"""From decisions through streams, log and night to what an operator reads, on AWS (moto)."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from rich.console import Console

import app as segue
from chalicelib import telemetry, wiring
from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.aws.objects import S3Objects
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, MEASURED, NIGHT_KEY, RECORD, ROLLUP, WATCHED
from chalicelib.core.rollup import names_of_day, total
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.night import NightPorts, work_through
from chalicelib.scoring.baselines import read_baselines
from chalicelib.settings import read_settings
from ops.lift_report import figures
from ops.measure import measure, read_report, tell
from ops.places import ROOT
from ops.pump import Handlers, Pump, find_sources, streams_client
from tests.functional.test_night import POLICY, TODAY, WINDOW, name_of, person, secret
from tests.stack import Stack, session
from tests.unit.core.situations import checkout
from tests.unit.core.test_exploration import recorded

PEOPLE = 30
NOON = TODAY * DAY_SECONDS + DAY_SECONDS // 2
BASELINES = replace(read_baselines(ROOT / "model_artifacts" / "cdnow-1.0.0"), model="recency-1.0.0")


@pytest.fixture
def parts(stack: Stack, clients: Clients) -> Iterator[wiring.Parts]:
    """The app on moto, whose streams a pump reads."""
    settings = read_settings(stack.environment)
    made = wiring.Parts(settings, aws_adapters(settings, clients), clock=lambda: NOON)
    wiring.install(made)
    telemetry.configure(stage="test", stream=io.StringIO())
    yield made
    wiring.install(None)


def pumped(stack: Stack) -> int:
    """Deliver what the streams hold to the app's own handlers."""
    handlers = Handlers(
        on_drop=segue.on_drop,
        on_effects_planned=segue.on_effects_planned,
        on_decided=segue.on_decided,
        on_effect=segue.on_effect,
        on_mail_event=segue.on_mail_event,
        on_review_due=segue.on_review_due,
        on_sweep=segue.on_sweep,
    )
    pump = Pump(
        handlers,
        find_sources(session(), stack.environment, prefix="test"),
        sqs=boto3.client("sqs"),
        streams=streams_client(session()),
    )
    return sum(pump.step() for _ in range(4))


def decide_for_all(store: Any) -> None:
    """A decision for each of some people, every third of whom buys the next day."""
    for number in range(PEOPLE):
        bought = ((1.0, 2_500),) if number % 3 == 0 else ()
        facts = person(number, bought=bought)
        situation = checkout(
            decision_id=f"d_{number}",
            subject=customer(f"c-{number}"),
            facts=person(number),
            as_of=NOON,
        )
        record = recorded(situation, POLICY)
        store.write(
            [
                Put(FACTS.key(facts.subject.key), facts, WHATEVER),
                Put(RECORD.key(situation.decision_id), record),
            ],
            now=NOON,
        )


def test_what_was_decided_is_measured_and_told(stack: Stack, parts: wiring.Parts) -> None:
    """Logged by the stream, worked through by the nights, read by the operator: all add up."""
    store = parts.adapters.store
    decide_for_all(store)

    assert pumped(stack) >= PEOPLE
    ports = NightPorts(
        store, parts.adapters.objects, stack.results_bucket, lambda: BASELINES, secret
    )
    for day in range(TODAY, TODAY + WINDOW + 1):
        work_through(ports=ports, policy=POLICY, now=(day + 1) * DAY_SECONDS + 3 * 3600)

    hours = [ROLLUP.key(name) for name in names_of_day(name_of(TODAY))]
    found = store.read([*hours, NIGHT_KEY, WATCHED.key(name_of(TODAY))], now=NOON)
    counts = total(each for key in hours if (each := found.value(key)) is not None)
    assert sum(n for name, n in counts.items() if name.startswith("decisions|")) == PEOPLE
    watched = found.value(WATCHED.key(name_of(TODAY)))
    assert watched is not None
    assert (watched.decisions, watched.customers) == (PEOPLE, PEOPLE)
    assert found.value(NIGHT_KEY) == {"through": name_of(TODAY + WINDOW)}

    now = (TODAY + WINDOW + 2) * DAY_SECONDS
    report = read_report(store, policy=POLICY, baselines=BASELINES, days=30, now=now)
    told = json.loads(json.dumps(figures(report, now=now)))
    programme = told["programme"]["conversion"]
    measured = store.read([MEASURED.key(name_of(TODAY))], now=NOON).value(
        MEASURED.key(name_of(TODAY))
    )
    assert measured is not None
    assert told["days"] == 1
    assert programme["verdict"] == "too_early"
    assert programme["treated"] + programme["control"] > PEOPLE // 3
    assert told["sample_ratio"]["x"]["mismatched"] is False
    assert sum(told["sample_ratio"]["x"]["counts"].values()) > PEOPLE // 2
    assert set(told["drift"]) == {*BASELINES.features, "churn", "segment"}
    shown = Console(file=io.StringIO(), width=200)
    tell(report, POLICY, shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "too early" in text
    assert "action:" not in text


def test_the_command_reads_a_stage(stack: Stack, parts: wiring.Parts) -> None:
    """Without a stack it says so; nothing else is looked for."""
    del stack, parts
    result = CliRunner().invoke(measure, ["--stage", "nowhere"], env=dict(os.environ))

    assert result.exit_code == 1
    assert "nowhere" in result.output


def test_a_listing_goes_on_where_a_page_ended(stack: Stack, clients: Clients) -> None:
    """More than a thousand objects; only those under the prefix, by key, with their size."""
    objects, client = S3Objects(clients.s3), boto3.client("s3")
    names = [f"log/decisions/date=2026-11-27/{n:05}.jsonl.gz" for n in range(1_003)]
    for name in [*names, "log/state/date=2026-11-27/marks.parquet"]:
        client.put_object(Bucket=stack.results_bucket, Key=name, Body=b"ab")

    found = list(objects.list(stack.results_bucket, prefix="log/decisions/date=2026-11-27/"))

    assert [each.key for each in found] == names
    assert {each.size for each in found} == {2}
