"""An effect that must wait: the ledger says until when and why, and who brings it back.

That is the sweep, when the moment has come: nothing is sent here, so no message of a held effect
cycles through the queue for a night. A hold of seconds alone sends a message of its own
(``core.overdue``), and every message from before it is void. First the ledger, then that message;
after a crash in between the sweep finds that the hold is over and that nobody came.
"""

from __future__ import annotations

from chalicelib.core.canonical import short_hash
from chalicelib.core.effects import Effect, State, hold
from chalicelib.core.overdue import has_its_own_message, look_at
from chalicelib.core.ports import LONGEST_DELAY_SECONDS, Queue, Store
from chalicelib.core.storage import Stored
from chalicelib.flows.act_log import Outcome
from chalicelib.flows.effect_message import write_message
from chalicelib.flows.ledger import advance

# Effects that wait for a slot of the rate come back one after the other, not all at once.
_SPREAD_SECONDS = 10


def put_off(
    held: Stored[Effect], *, reason: str, until: int, store: Store, later: Queue, now: int
) -> Outcome:
    """Hold an effect until a moment, in epoch seconds.

    A mail in doubt keeps its state: it waits with the doubt. Raises Conflict when somebody else
    has moved it, Transient when the ledger or the queue did not answer.
    """
    waiting = hold(held.value, until=until, reason=reason, now=now)
    # A message that came a moment too soon has used up the sweep's turn; this gives it back.
    if _outlook(waiting) != _outlook(held.value):
        held = advance(held, waiting, store=store, now=now)
    if has_its_own_message(held.value):
        spread = int(short_hash("spread", held.value.effect_id, digits=8), 16) % _SPREAD_SECONDS
        delay_seconds = min(max(until - now, 0) + spread, LONGEST_DELAY_SECONDS)
        later.send([write_message(held.value)], delay_seconds=delay_seconds)
    return Outcome(held.value, moved=False, put_off=reason)


def _outlook(effect: Effect) -> tuple[State, str | None, int | None, int | None]:
    """What the ledger says of a wait: where it stands, why, and when somebody looks again."""
    return effect.state, effect.reason, look_at(effect), effect.queued_at
