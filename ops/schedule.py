"""What EventBridge hands to a function when its minute has come."""

from __future__ import annotations

from typing import Any

from chalicelib.core.instants import format_instant

_ACCOUNT = "000000000000"


def scheduled_event(name: str, now: int) -> dict[str, Any]:
    """The event of a schedule's run, for a function of this name, at ``now`` in epoch seconds."""
    return {
        "version": "0",
        "id": f"local-{name}-{now}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": _ACCOUNT,
        "time": format_instant(now),
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:{_ACCOUNT}:rule/{name}"],
        "detail": {},
    }
