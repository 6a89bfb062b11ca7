"""An effect that must wait: the ledger says until when and why, and a message comes back then.

First the ledger, then the new message, then the old one is done with. A crash in between leaves
the old message, and whoever gets it finds the effect held and sends the message again: one too
many at worst, and the ledger sees to it that nothing happens twice.
"""

from __future__ import annotations

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import Effect, hold
from chalicelib.core.ports import Queue, Store
from chalicelib.core.storage import Stored
from chalicelib.flows.act_log import Outcome
from chalicelib.flows.ledger import advance

LONGEST_DELAY_SECONDS = 900  # SQS delays no message longer; it then comes back only to wait again
# Effects that wait for a slot of the rate come back one after the other, not all at once.
_SPREAD_SECONDS = 10


def put_off(
    held: Stored[Effect], *, reason: str, until: int, store: Store, later: Queue, now: int
) -> Outcome:
    """Hold an effect until a moment, in epoch seconds.

    A mail in doubt keeps its state: it waits with the doubt. Raises Conflict when somebody else
    has moved it, Transient when the ledger or the queue did not answer.
    """
    effect = held.value
    waits = effect.state == "IN_DOUBT" or (
        effect.state == "PLANNED" and (effect.not_before, effect.reason) == (until, reason)
    )
    if not waits:
        held = advance(
            held, hold(effect, until=until, reason=reason, now=now), store=store, now=now
        )
    delay_seconds = max(until - now, 0)
    if reason == "rate":
        spread = int(short_hash("spread", effect.effect_id, digits=8), 16) % _SPREAD_SECONDS
        delay_seconds += spread
    later.send(
        [{"effect_id": effect.effect_id, "correlation_id": effect.correlation_id}],
        delay_seconds=min(delay_seconds, LONGEST_DELAY_SECONDS),
    )
    return Outcome(held.value, moved=False, put_off=reason)
