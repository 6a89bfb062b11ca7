"""The idle bill knows every resource of the packaged template."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ops.cost.assumptions import MONTH_SECONDS, Assumptions
from ops.cost.idle import (
    FREE,
    IDLE_NIGHT,
    IdleGiven,
    ResourceUnknown,
    function_name,
    idle_bill,
    idle_units,
    runs_a_month,
)
from ops.cost.meter import Counts, Meter
from ops.cost.prices import read_prices
from ops.cost.recorder import Invocation, Recorder
from ops.cost.work import Lambdas
from ops.operating import OperatingTable
from ops.refusals import functions_of
from ops.template import resources_of
from tests.app.packaged import Json

SCHEDULED = ("on_review_due", "on_sweep")


def idle_run(function: str, scene: str = "idle") -> Invocation:
    """A run that asked one index of one table, and computed for 5 ms."""
    counts = Counts(
        units={"dynamodb.read_unit": 0.5}, calls=Counter({"dynamodb Query": 1}), tables={"effects"}
    )
    return Invocation(function, scene, 1, counts, 5.0, 100, 0, frozenset(), None)


@pytest.fixture
def given(table: OperatingTable) -> IdleGiven:
    """Idle runs of every schedule, and the shipped prices."""
    runs = [*map(idle_run, SCHEDULED), idle_run("on_drop", IDLE_NIGHT)]
    recorder = Recorder(Meter({}), runs)
    return IdleGiven(read_prices(), Lambdas(table, Assumptions(), 0.0, 0.0), recorder)


def test_every_resource_is_billed_or_known_to_be_free(template: Json, given: IdleGiven) -> None:
    """Functions, queues, alarms, tables, buckets: each has a line, whatever is added next."""
    told = {line.what.partition(":")[0] for line in idle_bill(template, given).lines}
    free = {name for name, one in template["Resources"].items() if one["Type"] in FREE}

    assert told | free == set(template["Resources"])
    assert not told & free
    for kind in ("Serverless::Function", "SQS::Queue", "CloudWatch::Alarm", "DynamoDB::Table"):
        names = {name for name, _ in resources_of(template, f"AWS::{kind}")}
        assert names, kind
        assert names <= told, kind


def test_a_resource_that_nobody_has_priced_is_an_error(template: Json, given: IdleGiven) -> None:
    """Whoever adds a kind of resource has to say what it costs."""
    added: dict[str, Any] = {"Type": "AWS::RDS::DBCluster", "Properties": {}}
    spoilt = {"Resources": {**template["Resources"], "Shop": added}}

    with pytest.raises(ResourceUnknown, match=r"Shop is a AWS::RDS::DBCluster"):
        idle_bill(spoilt, given)


def test_each_alarm_is_ten_cents(template: Json, given: IdleGiven) -> None:
    """As many as the template has."""
    alarms = list(resources_of(template, "AWS::CloudWatch::Alarm"))
    lines = [x for x in idle_bill(template, given).lines if x.price_id == "cloudwatch.alarm_month"]

    assert len(lines) == len(alarms)
    assert sum(line.dollars for line in lines) == pytest.approx(0.10 * len(alarms))


def test_each_polled_queue_is_asked_by_five_every_twenty_seconds(
    template: Json, given: IdleGiven
) -> None:
    """657,000 empty receives a month for each function that a queue feeds: 26 cents."""
    fed = [
        properties
        for properties in functions_of(template).values()
        if any(event["Type"] == "SQS" for event in properties.get("Events", {}).values())
    ]

    assert len(fed) >= 3
    for properties in fed:
        one = {"Type": "AWS::Serverless::Function", "Properties": properties}
        assert idle_units("x", one, given)["sqs.request"] == 657_000


def test_each_schedule_runs_every_minute(template: Json, given: IdleGiven) -> None:
    """43,800 runs a month, each with its calls, its milliseconds and its log lines."""
    for logical_id, properties in functions_of(template).items():
        if function_name(properties) not in SCHEDULED:
            continue
        one = {"Type": "AWS::Serverless::Function", "Properties": properties}
        units = idle_units(logical_id, one, given)
        assert units["lambda.request"] == 43_800
        assert units["dynamodb.read_unit"] == 43_800 / 2
        # 5 ms at 512 MB of the 1,769 that a vCPU has, and 5 ms of waiting: 23 ms.
        assert units["lambda.gb_second.x86_64"] == pytest.approx(43_800 * 0.023 * 0.5)
        keys = MONTH_SECONDS / 300 if function_name(properties) == "on_review_due" else 0
        assert units["ssm.request"] == keys
        assert units["kms.request"] == MONTH_SECONDS / 300 + keys


def test_a_schedule_that_was_never_run_idle_is_an_error(template: Json, given: IdleGiven) -> None:
    """Or a new scheduled function would idle for free."""
    nothing_ran = IdleGiven(given.prices, given.lambdas, Recorder(Meter({})))

    with pytest.raises(ResourceUnknown, match="never ran it idle"):
        idle_bill(template, nothing_ran)


def test_a_rule_runs_once_a_night(template: Json, given: IdleGiven) -> None:
    """Thirty messages a month, each with a run of the function that takes files in."""
    rule = template["Resources"]["Nightly"]
    units = idle_units("Nightly", rule, given)

    assert units["lambda.request"] == pytest.approx(730 / 24)
    assert units["sqs.request"] == pytest.approx(730 / 24 * 3)  # sent, received, deleted
    hourly = {**rule, "Properties": {"ScheduleExpression": "cron(0 * * * ? *)"}}
    with pytest.raises(ResourceUnknown, match="only once a day"):
        idle_units("Nightly", hourly, given)


def test_only_schedules_in_minutes_are_known() -> None:
    """Anything else says so."""
    assert runs_a_month("rate(1 minute)") == 43_800
    assert runs_a_month("rate(10 minutes)") == 4_380
    for other in ("rate(1 hour)", "cron(0 8 * * ? *)"):
        with pytest.raises(ResourceUnknown, match="only minutes"):
            runs_a_month(other)
