"""What is said of mail events: one line and one count for each, without anybody's data."""

from __future__ import annotations

from chalicelib.core.effects import Effect
from chalicelib.core.feedback import Feedback, Glance, MailEvent
from chalicelib.flows.act_log import tell_failure
from chalicelib.telemetry import emit_metrics, log_event


def heard(event: Feedback, effect: Effect, *, moved: bool, repeated: bool) -> None:
    """A piece of feedback; what was heard before is not counted again."""
    said = {
        "effect_id": event.effect_id,
        "action": effect.action,
        "state": effect.state,
        "reason": effect.reason,
        "correlation_id": effect.correlation_id,
        "decision_id": effect.decision_id,
        "provider_id": event.provider_id,
        "repeated": repeated,
    }
    kind = event.word.partition("_")[0]
    if repeated:
        log_event("mail_event_left", kind=kind, **said)
        return
    emit_metrics("mail_event", {"MailEvents": 1}, dimensions={"kind": kind}, **said)
    if moved:
        dimensions = {"state": str(said.pop("state"))}
        emit_metrics("effect_moved", {"EffectsByState": 1}, dimensions=dimensions, **said)


def noticed(event: Glance, *, suspect: bool, repeated: bool) -> None:
    """An open or a click; those that a scanner probably made are counted apart."""
    kind = f"suspect_{event.kind}" if suspect else event.kind
    if repeated:
        log_event("mail_event_left", kind=kind, effect_id=event.effect_id, repeated=True)
    else:
        dimensions = {"kind": kind}
        emit_metrics(
            "mail_event", {"MailEvents": 1}, dimensions=dimensions, effect_id=event.effect_id
        )


def refused(reason: str, message_id: str) -> None:
    """An event that changed nothing, and why."""
    emit_metrics(
        "mail_event_refused",
        {"MailEventsRefused": 1},
        dimensions={"reason": reason},
        message_id=message_id,
    )


def put_aside(event: MailEvent, message_id: str, *, failures: int, parked: bool) -> None:
    """An event whose stripped copy comes back later, or waits for an operator."""
    log_event(
        "mail_event_parked" if parked else "mail_event_put_aside",
        message_id=message_id,
        effect_id=event.effect_id,
        attempts=failures,
    )


def greeted(message_id: str) -> None:
    """SES's greeting to a new topic."""
    log_event("mail_events_connected", message_id=message_id)


def failed(error: Exception, message_id: str) -> None:
    """An event that could not be taken in."""
    tell_failure(error, message_id=message_id)
