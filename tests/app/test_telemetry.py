"""Log lines and metrics: closed lists of fields, metrics and dimensions."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.telemetry import FIELDS, LONGEST_VALUE, METRICS, emit_metrics, log_event
from ops.places import RESOURCES, ROOT


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """What was written, at a clock that stands still."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream, clock=lambda: 1.5)
    try:
        yield stream
    finally:
        telemetry.configure(stage="unset")


def only(out: io.StringIO) -> dict[str, Any]:
    """The one line."""
    [line] = out.getvalue().splitlines()
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def test_a_line_holds_the_event_the_stage_and_known_fields(out: io.StringIO) -> None:
    """None is left out; everything else stands as it is."""
    log_event("drop_done", drop_id="9f2c", records=3, degraded=False, reason=None)

    assert only(out) == {
        "event": "drop_done",
        "stage": "test",
        "drop_id": "9f2c",
        "records": 3,
        "degraded": False,
    }


@pytest.mark.parametrize("field", ["email", "first_name", "customer_id", "address", "body"])
def test_a_field_that_is_not_on_the_list_is_left_out(out: io.StringIO, field: str) -> None:
    """Personal data cannot be logged by mistake; the line says which name was left out."""
    log_event("anything", **{field: "ann@example.com"})

    assert only(out)["left_out"] == [field]
    assert "ann@example.com" not in out.getvalue()


def test_the_list_names_nothing_personal() -> None:
    """Customer, address, name and phone are no fields of any line."""
    personal = re.compile(r"customer_id|anonymous|subject|mail(?!s$)|address|name(?!$)|phone")

    assert [field for field in FIELDS - {"event_name"} if personal.search(field)] == []


def test_long_values_and_lists_are_cut(out: io.StringIO) -> None:
    """A line stays a line."""
    log_event("long", reason="x" * 1000, reasons=["y"] * 100)

    line = only(out)
    assert len(line["reason"]) == LONGEST_VALUE
    assert len(line["reasons"]) == 20


def test_a_mapping_is_not_written(out: io.StringIO) -> None:
    """It could hold anything."""
    log_event("odd", reason={"email": "ann@example.com"})

    assert only(out)["reason"] == "<dict>"


def test_metrics_stand_in_cloudwatchs_format(out: io.StringIO) -> None:
    """One directive for each set of dimensions, in milliseconds since the epoch."""
    emit_metrics(
        "effect_moved",
        {"EffectsByState": 1, "LatencyMs": 2.5},
        dimensions={"state": "ACCEPTED"},
        effect_id="e-1",
    )

    line = only(out)
    assert (line["EffectsByState"], line["LatencyMs"]) == (1, 2.5)
    assert (line["service"], line["stage"], line["state"]) == ("segue", "test", "ACCEPTED")
    assert line["_aws"] == {
        "Timestamp": 1500,
        "CloudWatchMetrics": [
            {
                "Namespace": "Segue",
                "Dimensions": [["service", "stage", "state"]],
                "Metrics": [{"Name": "EffectsByState", "Unit": "Count"}],
            },
            {
                "Namespace": "Segue",
                "Dimensions": [["service", "stage"]],
                "Metrics": [{"Name": "LatencyMs", "Unit": "Milliseconds"}],
            },
        ],
    }


def test_an_unknown_metric_is_a_mistake(out: io.StringIO) -> None:
    """Metrics are a closed list: each costs money."""
    with pytest.raises(ValueError, match="Clicks is no metric"):
        emit_metrics("x", {"Clicks": 1})


def test_a_metric_without_its_dimension_is_a_mistake(out: io.StringIO) -> None:
    """A state that nobody names would be counted under nothing."""
    with pytest.raises(ValueError, match="EffectsByState needs the dimension state"):
        emit_metrics("x", {"EffectsByState": 1})


def test_dimensions_are_few_and_never_a_person() -> None:
    """Segment, state, placement, operation, kind and reason: a handful of values each."""
    assert {dimension for _, dimension in METRICS.values()} <= {
        None,
        "segment",
        "state",
        "placement",
        "operation",
        "kind",
        "reason",
    }


def test_every_field_that_the_code_logs_is_on_the_list() -> None:
    """What a flow says is not dropped without anybody noticing."""
    said = set()
    for path in (ROOT / "chalicelib").rglob("*.py"):
        for call in re.findall(
            r"\b(?:log_event|emit_metrics)\(((?:[^()]|\([^()]*\))*)\)", path.read_text()
        ):
            said |= set(
                re.findall(r"^\s*(?:\"\w+\",)?\s*(\w+)=", call.replace(", ", ",\n"), re.MULTILINE)
            )

    assert said - FIELDS - {"dimensions"} == set()


def test_alarms_watch_metrics_that_are_emitted() -> None:
    """An alarm on a metric or a dimension that nobody emits would never ring."""
    resources = json.loads(RESOURCES.read_text())["Resources"]
    alarms = [
        resource["Properties"]
        for resource in resources.values()
        if resource.get("Properties", {}).get("Namespace") == telemetry.NAMESPACE
    ]

    assert alarms
    for alarm in alarms:
        _, dimension = METRICS[alarm["MetricName"]]
        expected = {"service", "stage"} | ({dimension} if dimension else set())
        assert {each["Name"] for each in alarm["Dimensions"]} == expected
