"""Events for other systems, on an EventBridge bus, in the envelope that Segue promises.

``{"source": "segue", "detail-type": …, "detail": {"metadata": {event_id, schema_version,
correlation_id, causation_id}, "data": {…}}}``. The bus is at least once and does not keep
order; ``event_id`` lets a consumer drop what it has seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chalicelib.aws.errors import translated
from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import Broken, Transient

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from chalicelib.core.ports import BusEvent

SOURCE = "segue"
SCHEMA_VERSION = 1
MOST_EVENTS = 10  # of one PutEvents
_PAUSES_SECONDS = (0.1, 0.4)
# Codes of a single entry that another try may cure.
_RETRIED = frozenset({"InternalFailure", "InternalException", "ThrottlingException"})


class EventBridgeBus:
    """One bus by its name."""

    def __init__(
        self,
        client: Callable[[], EventBridgeClient],
        *,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the client to use and the bus to publish on."""
        self._client = client
        self._name = name
        self._sleep = sleep

    def publish(self, events: Sequence[BusEvent]) -> None:
        """Publish every event, at least once.

        Raises Transient when some were not taken after three tries; the others may have been.
        Raises Broken when EventBridge refuses an event itself.
        """
        for start in range(0, len(events), MOST_EVENTS):
            self._publish_batch(
                [_entry(e, self._name) for e in events[start : start + MOST_EVENTS]]
            )

    def _publish_batch(self, pending: list[PutEventsRequestEntryTypeDef]) -> None:
        for pause_seconds in (*_PAUSES_SECONDS, None):
            with translated():
                answer = self._client().put_events(Entries=pending)
            if not answer["FailedEntryCount"]:
                return
            results = answer["Entries"]
            codes = {result.get("ErrorCode") for result in results} - {None}
            if not codes <= _RETRIED:
                raise Broken(f"PutEvents: {', '.join(sorted(map(str, codes - _RETRIED)))}")
            pending = [
                entry
                for entry, result in zip(pending, results, strict=True)
                if result.get("ErrorCode")
            ]
            if pause_seconds is not None:
                self._sleep(pause_seconds)
        raise Transient(f"PutEvents: {len(pending)} events were not taken")


def detail_of(event: BusEvent) -> dict[str, object]:
    """The detail as consumers read it."""
    return {
        "metadata": {
            "event_id": event.event_id,
            "schema_version": SCHEMA_VERSION,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
        },
        "data": dict(event.data),
    }


def _entry(event: BusEvent, bus_name: str) -> PutEventsRequestEntryTypeDef:
    return {
        "EventBusName": bus_name,
        "Source": SOURCE,
        "DetailType": event.detail_type,
        "Detail": canonical_json(detail_of(event)).decode(),
    }
