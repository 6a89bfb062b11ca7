"""A month in which nothing happens, resource by resource of the packaged template.

The types of resources are a closed list: one that is not known here is an error, so that whoever
adds a resource has to say what it costs while nobody uses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.core.errors import SegueError
from ops.cost.assumptions import DAY_SECONDS, MONTH_SECONDS, Assumptions
from ops.cost.bill import Bill, Line
from ops.cost.prices import PriceTable
from ops.cost.quantities import Quantities, added, scaled
from ops.cost.recorder import Recorder
from ops.cost.work import Lambdas

# They cost nothing while they stand there, and nothing is billed by their name when they are used.
FREE: Final = frozenset({
    "AWS::IAM::Role", "AWS::Lambda::Permission",
    "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription",
    "AWS::S3::BucketPolicy",
    "AWS::SES::ConfigurationSet", "AWS::SES::ConfigurationSetEventDestination",
})  # fmt: skip
# They are billed by use alone: each gets a line, so that a reader sees that it was thought of.
BY_USE: Final[Mapping[str, str]] = {
    "AWS::Serverless::Api": "apigateway.rest_request",
    "AWS::Events::EventBus": "events.custom",
    "AWS::SNS::Topic": "sns.publish",
    "AWS::StepFunctions::StateMachine": "states.transition",
    "AWS::S3::Bucket": "s3.storage_gb_month",
    "AWS::Logs::LogGroup": "logs.stored_gb_month",
}
# The scheduled function that reads the signing keys, again and again.
READS_KEYS: Final = frozenset({"on_review_due"})
MINUTE = 60
# The scene in which a night found nothing in the decision log.
IDLE_NIGHT: Final = "an idle night"


class ResourceUnknown(SegueError):
    """A resource of the template of which nobody has said what it costs."""


@dataclass(frozen=True, slots=True)
class IdleGiven:
    """What an idle bill is made from.

    Attributes:
        prices: the price table.
        lambdas: how invocations become bills.
        recorder: holds the scene "idle": runs of the schedules that found nothing to do.
    """

    prices: PriceTable
    lambdas: Lambdas
    recorder: Recorder


def idle_bill(template: Mapping[str, Any], given: IdleGiven) -> Bill:
    """Every resource of the template for a month; raises ResourceUnknown."""
    lines: list[Line] = []
    for name, resource in template["Resources"].items():
        for price_id, quantity in idle_units(name, resource, given).items():
            row = given.prices.prices[price_id]
            lines.append(
                Line(
                    row.service,
                    f"{name}: {row.unit}",
                    price_id,
                    quantity,
                    given.prices.dollars(price_id, quantity),
                )
            )
    return Bill("a month of idling", lines)


def idle_units(name: str, resource: Mapping[str, Any], given: IdleGiven) -> Quantities:
    """What one resource is billed for a month; empty for what never costs anything."""
    kind, properties = resource["Type"], resource.get("Properties", {})
    match kind:
        case "AWS::Serverless::Function":
            return _function(properties, given)
        case "AWS::CloudWatch::Alarm":
            return {"cloudwatch.alarm_month": 1}
        case "AWS::DynamoDB::Table":
            return {"dynamodb.storage_gb_month": 0, "dynamodb.recovery_gb_month": 0}
        case "AWS::SQS::Queue":
            return {"sqs.request": 0}
        case "AWS::Events::Rule":
            return _nightly(name, properties["ScheduleExpression"], given)
        case _ if kind in BY_USE:
            return {BY_USE[kind]: 0}
        case _ if kind in FREE:
            return {}
    raise ResourceUnknown(f"{name} is a {kind}: say in ops/cost/idle.py what it costs idle")


def polls_a_month(assumptions: Assumptions) -> float:
    """Empty receives of the pollers of one queue."""
    return MONTH_SECONDS / assumptions.poll_seconds * assumptions.pollers_per_queue


def _function(properties: Mapping[str, Any], given: IdleGiven) -> Quantities:
    """Its schedules run, its queue is polled, its stream is read for nothing; a route waits."""
    name = function_name(properties)
    parts: list[Quantities] = [{"lambda.request": 0}]
    for event in properties.get("Events", {}).values():
        match event["Type"]:
            case "Schedule":
                parts.append(_scheduled(name, event["Properties"]["Schedule"], given))
            case "SQS":
                parts.append({"sqs.request": polls_a_month(given.lambdas.assumptions)})
            case "DynamoDB":
                parts.append({"dynamodb.stream_read_by_lambda": 4 * MONTH_SECONDS})
            case "Api":
                pass
            case other:
                raise ResourceUnknown(f"{name} is called by {other}: say what that costs idle")
    return added(*parts)


def function_name(properties: Mapping[str, Any]) -> str:
    """The function's name in app.py, from its handler."""
    handler = str(properties["Handler"]).removeprefix("app.")
    return "api_handler" if handler == "app" else handler


def runs_a_month(expression: str) -> float:
    """How often a schedule runs; raises ResourceUnknown for anything but ``rate(N minutes)``."""
    number, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    if not number.isdigit() or unit not in ("minute", "minutes"):
        raise ResourceUnknown(f"a schedule of {expression!r}: only minutes are known")
    return MONTH_SECONDS / (int(number) * MINUTE)


def _nightly(name: str, expression: str, given: IdleGiven) -> Quantities:
    """A rule that sends one message a night, and what the function that takes it does with it."""
    if not re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", expression):
        raise ResourceUnknown(f"{name} runs by {expression!r}: only once a day is known")
    idle = given.recorder.of(IDLE_NIGHT)
    if not idle:
        raise ResourceUnknown(f"{name} runs by night, and the rehearsal never ran it idle")
    nights = MONTH_SECONDS / DAY_SECONDS
    return added(
        scaled(given.lambdas.total(idle), nights / len(idle)),
        {"events.scheduled": nights, "sqs.request": nights},
    )


def _scheduled(name: str, expression: str, given: IdleGiven) -> Quantities:
    runs = runs_a_month(expression)
    idle: Sequence[Any] = given.recorder.of("idle", name)
    if not idle:
        raise ResourceUnknown(f"{name} runs by schedule, and the rehearsal never ran it idle")
    told = given.lambdas.assumptions
    tables = set().union(*(each.counts.tables for each in idle))
    keys = MONTH_SECONDS / told.signing_keys_seconds if name in READS_KEYS else 0
    return added(
        scaled(given.lambdas.total(idle), runs / len(idle)),
        {
            "events.scheduled": runs,
            # A table's key for each that asks, and a parameter's for whoever reads it.
            "kms.request": len(tables) * MONTH_SECONDS / told.key_seconds + keys,
            "ssm.request": keys,
        },
    )
