"""What is seen from outside: logs and alarms of the packaged template."""

from chalicelib.core.instants import DAY_SECONDS
from ops.refusals import functions_of
from ops.template import resources_of
from tests.app.packaged import NAMES, Json


def test_logs_are_kept_for_30_days(template: Json) -> None:
    """Each function writes to a log group of its own, which forgets."""
    for function, properties in functions_of(template).items():
        group = template["Resources"][properties["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["RetentionInDays"] == 30, function
        assert group["LogGroupName"] == {"Fn::Sub": f"/segue/${{Stage}}/{NAMES[function]}"}


def test_every_failure_rings(template: Json) -> None:
    """Parked messages, errors, refused invocations and degraded checkouts reach one topic."""
    alarms = dict(resources_of(template, "AWS::CloudWatch::Alarm"))
    watched = {
        (one["Namespace"], one["MetricName"], _target(one["Dimensions"])) for one in alarms.values()
    }

    for name, one in alarms.items():
        assert one["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        assert one["TreatMissingData"] == "notBreaching", name
    assert watched >= {("AWS/Lambda", "Errors", function) for function in NAMES}
    assert ("AWS/States", "ExecutionsFailed", "DividedDrops") in watched
    assert watched >= {("AWS/Lambda", "Throttles", name) for name in ("APIHandler", "Bearer")}
    assert watched >= {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", f"{name}DeadLetters")
        for name in ("Drops", "Effects", "MailEvents", "Stream", "Schedule")
    }
    assert watched >= {
        ("Segue", "Degraded", "Stage"),
        ("Segue", "ModelRejected", "Stage"),
        ("Segue", "LearningRejected", "Stage"),
        ("Segue", "PolicyRejected", "Stage"),
        ("Segue", "PriceRulesFailed", "Stage"),
        ("Segue", "MailEventsRefused", "Stage"),
        ("Segue", "EffectsRefused", "Stage"),
        ("Segue", "SampleRatioMismatch", "Stage"),
        ("Segue", "ModelDrift", "Stage"),
        ("Segue", "StaleData", "Stage"),
        ("AWS/Lambda", "IteratorAge", "OnEffectsPlanned"),
        ("AWS/Lambda", "IteratorAge", "OnDecided"),
        ("AWS/SES", "Reject", None),
        ("AWS/SES", "Reputation.BounceRate", None),
        ("AWS/SES", "Reputation.ComplaintRate", None),
    }


def test_what_is_found_at_night_rings_until_the_next_one(template: Json) -> None:
    """Its figures come once a day: within a shorter period an alarm would end by itself."""
    periods = {
        one["MetricName"]: one["Period"] * one["EvaluationPeriods"]
        for _, one in resources_of(template, "AWS::CloudWatch::Alarm")
    }

    for name in ("SampleRatioMismatch", "ModelDrift", "StaleData"):
        assert periods[name] == DAY_SECONDS, name


def _target(dimensions: list[Json]) -> str | None:
    for dimension in dimensions:
        match dimension["Value"]:
            case {"Ref": name}:
                return str(name)
            case {"Fn::GetAtt": [name, _]}:
                return str(name)
    return None
