"""What is to go wrong, request by request, and what becomes of a mail, address by address."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

SIMULATOR_DOMAIN = "simulator.amazonses.com"

Fate = Literal[
    "delivery",
    "bounce",
    "transient_bounce",
    "suppressed",
    "complaint",
    "out_of_office",
    "reject",
    "delay",
    "open",
    "click",
    "silence",
]
FATES: frozenset[str] = frozenset(Fate.__args__)  # type: ignore[attr-defined]
# SES's mailbox simulator; a label after "+" is allowed and changes nothing.
_SIMULATED: Mapping[str, tuple[Fate, ...]] = {
    "success": ("delivery",),
    "bounce": ("bounce",),
    "ooto": ("out_of_office",),
    "complaint": ("complaint",),
    "suppressionlist": ("suppressed",),
}


@dataclass(frozen=True, slots=True)
class Hang:
    """Keep the connection open and never answer."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error."""

    code: str
    status: int
    message: str = "as the script says"


Fault = Hang | Close | Fail

THROTTLE = Fail("TooManyRequestsException", 429, "Maximum sending rate exceeded.")
PAUSE = Fail("SendingPausedException", 400, "Email sending is paused for your account.")
LIMIT = Fail("LimitExceededException", 400)
REFUSE = Fail("MessageRejected", 400)
SERVER_ERROR = Fail("InternalFailure", 500)
_NAMED: Mapping[str, Fault] = {
    "hang": Hang(),
    "close": Close(),
    "throttle": THROTTLE,
    "pause": PAUSE,
    "limit": LIMIT,
    "refuse": REFUSE,
    "error": SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to the next requests that match; a step without a fault lets them pass.

    Attributes:
        fault: what goes wrong; None for nothing.
        after_accepting: whether the mail has been taken by then.
        times: for how many requests.
        recipient: only for mails to this address; None for any.
    """

    fault: Fault | None
    after_accepting: bool = False
    times: int = 1
    recipient: str | None = None


class Script:
    """Steps that are used up in order by the SendEmail requests that match them."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def add(self, *steps: Step) -> None:
        """Put steps after those that are left."""
        with self._lock:
            self._steps.extend(steps)

    def clear(self) -> None:
        """Let everything pass from now on."""
        with self._lock:
            self._steps.clear()

    def take(self, recipients: Sequence[str]) -> Step:
        """The step for a request, used up by it."""
        with self._lock:
            for index, step in enumerate(self._steps):
                if step.recipient is None or step.recipient in recipients:
                    left = replace(step, times=step.times - 1)
                    self._steps[index : index + 1] = [left] if left.times > 0 else []
                    return step
        return Step(None)


def step_from_json(said: Mapping[str, Any]) -> Step:
    """A step as the admin endpoint takes it; raises ValueError.

    ``do`` is one of pass, hang, close, throttle, pause, limit, refuse, error; ``code`` and
    ``status`` make an error of any other kind; ``when`` is before or after.
    """
    unknown = set(said) - {"do", "code", "status", "message", "when", "times", "recipient"}
    if unknown:
        raise ValueError(f"a step knows no {', '.join(sorted(unknown))}")
    do = said.get("do", "error")
    if do != "pass" and do not in _NAMED:
        raise ValueError(f"do must be pass or one of {', '.join(sorted(_NAMED))}")
    if said.get("when", "before") not in ("before", "after"):
        raise ValueError("when must be before or after")
    fault = None if do == "pass" else _NAMED[do]
    if isinstance(fault, Fail):
        fault = Fail(
            said.get("code", fault.code),
            int(said.get("status", fault.status)),
            said.get("message", fault.message),
        )
    return Step(
        fault,
        after_accepting=said.get("when") == "after",
        times=int(said.get("times", 1)),
        recipient=said.get("recipient"),
    )


class Fates:
    """What becomes of mails to an address: by script, else as the simulator's, else delivered."""

    def __init__(self) -> None:
        self._scripted: dict[str, tuple[Fate, ...]] = {}

    def set(self, address: str, *fates: Fate) -> None:
        """Let mails to an address end so, one event after the other; raises ValueError."""
        unknown = set(fates) - FATES
        if unknown:
            raise ValueError(f"unknown fates: {', '.join(sorted(unknown))}")
        self._scripted[address.lower()] = fates

    def of(self, address: str) -> tuple[Fate, ...]:
        """What becomes of the next mail to an address."""
        name = address.lower()
        if name in self._scripted:
            return self._scripted[name]
        local, _, domain = name.rpartition("@")
        if domain == SIMULATOR_DOMAIN:
            return _SIMULATED.get(local.partition("+")[0], ("delivery",))
        return ("delivery",)


def is_simulated(address: str) -> bool:
    """Whether an address belongs to SES's mailbox simulator."""
    return address.lower().endswith(f"@{SIMULATOR_DOMAIN}")
