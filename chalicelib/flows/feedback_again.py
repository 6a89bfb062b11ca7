"""A mail event that could not be taken in: its stripped copy comes back later, or is parked.

What SES published is done with as soon as its copy is in the queue, so nobody's address waits
there for our bug to be mended. First the copy, then the old message: a crash in between leaves
both, and an event that comes twice changes nothing twice.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.ports import AgainPorts
from chalicelib.core.stripped import Copy, signed_body
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows import feedback_log

# The queue would wait for as long as it hides a message from others; a copy comes back sooner.
PAUSES_SECONDS = (60, 240, 900, 900)
MOST_FAILURES = len(PAUSES_SECONDS) + 1


def put_aside(copy: Copy, message_id: str, *, ports: AgainPorts, keys: SigningKeys) -> None:
    """Send what has failed once more as a copy: back to its queue, and parked after five times.

    What is parked begins anew when it is put back on its way. Raises Transient when the copy
    could not be sent.
    """
    failures = copy.failures + 1
    if failures < MOST_FAILURES:
        body = signed_body(replace(copy, failures=failures), keys=keys)
        ports.queue.send([body], delay_seconds=PAUSES_SECONDS[failures - 1])
    else:
        ports.dead_letters.send([signed_body(replace(copy, failures=0), keys=keys)])
    feedback_log.put_aside(
        copy.event, message_id, failures=failures, parked=failures >= MOST_FAILURES
    )
