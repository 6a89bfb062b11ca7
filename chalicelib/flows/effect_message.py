"""The message that names an effect: written in one place, read in one place.

It says nothing of the effect but its name: what counts is the ledger, which is always ahead of the
message. The relay hears of an effect by the table's stream, thus after its commit; the sweep and
the worker have read or written it themselves; and whoever takes the message reads consistently.
So a message whose effect is not there was not overtaken by anything: the ledger never had that
effect, or has forgotten it, and no later look finds it. Were it refused in error all the same,
nothing would be lost, since the sweep queues whatever stands in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.core.effects import EFFECT_ID_PATTERN, Effect, effect_to_json
from chalicelib.core.errors import MessageRefused
from chalicelib.core.kinds import EFFECT_WINDOW_SECONDS
from chalicelib.core.overdue import has_its_own_message


@dataclass(frozen=True, slots=True)
class EffectMessage:
    """A message as a worker understands it.

    Attributes:
        effect_id: the effect that it names.
        correlation_id: ties it to what began it all.
        planned_at: when the effect was planned, in epoch seconds; None in messages that do not say.
        held_until: the end of the hold that it was sent for; None when it was sent for none.
    """

    effect_id: str
    correlation_id: str
    planned_at: int | None = None
    held_until: int | None = None

    def why_unknown(self, *, now: int) -> str:
        """By what name it is refused when the ledger has no such effect."""
        too_old = self.planned_at is not None and self.planned_at <= now - EFFECT_WINDOW_SECONDS
        return "too_old" if too_old else "unknown_effect"


class _Body(BaseModel):
    """What a body must hold; what else it holds is for a later version of this code."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    effect_id: str = Field(pattern=EFFECT_ID_PATTERN)
    correlation_id: str
    planned_at: int | None = Field(default=None, ge=0)
    held_until: int | None = Field(default=None, ge=0)


def write_message(effect: Effect) -> dict[str, Any]:
    """The body of a message for an effect as it stands."""
    body = first_message(effect_to_json(effect))
    if has_its_own_message(effect):
        body["held_until"] = effect.not_before
    return body


def first_message(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The body for an effect in its stored form that was just planned; KeyError if it is none.

    The rest of that form may be damaged: the worker fails on it alone, and no neighbour waits.
    """
    return {name: stored[name] for name in ("effect_id", "correlation_id", "planned_at")}


def read_message(body: str) -> EffectMessage:
    """Undo ``write_message``; raises MessageRefused(``unreadable``)."""
    try:
        said = _Body.model_validate_json(body)
    except ValidationError:
        # The error quotes what it met, which may be anything.
        raise MessageRefused("unreadable") from None
    return EffectMessage(said.effect_id, said.correlation_id, said.planned_at, said.held_until)


def read_messages(event: Mapping[str, Any]) -> tuple[dict[str, EffectMessage], dict[str, str]]:
    """The messages of Lambda's SQS event by their ids, and by theirs why the others are refused."""
    messages: dict[str, EffectMessage] = {}
    unreadable: dict[str, str] = {}
    for record in event["Records"]:
        try:
            messages[record["messageId"]] = read_message(record["body"])
        except MessageRefused as refusal:
            unreadable[record["messageId"]] = refusal.reason
    return messages, unreadable
