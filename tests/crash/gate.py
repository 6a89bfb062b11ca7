"""The numbered gate: every call to the outside is a request that can break, wait or be rewritten.

The calls of a run are numbered from 1 in the order in which they happen. A fault is a number and a
mode: the process dies before the call; the call is made and its reply is lost; it is not made and
fails; it stalls past every lease while another worker works; or somebody else, whom the case names,
acts just before it, and no time passes. A planted bug stands in between and asks for something
else than the flow did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from chalicelib.core.errors import MailInDoubt, MailThrottled, Transient
from tests.gate import Died

Mode = Literal["crash", "lost", "error", "stall", "meet"]
MODES: tuple[Mode, ...] = get_args(Mode)
Faults = Mapping[int, Mode]


@dataclass(frozen=True, slots=True)
class Request:
    """One call to the outside, as a value.

    Attributes:
        port: what kind of call it is: ``read``, ``write``, ``mail``, ``publish``, ``queue`` …
        what: its positional arguments.
        options: its named arguments.
    """

    port: str
    what: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_what(self, *what: Any) -> Request:
        """The same call with other arguments."""
        return replace(self, what=what)


Perform = Callable[[Request], Any]
Bug = Callable[[Request, Perform], Any]


def honest(request: Request, perform: Perform) -> Any:
    """No bug: what is asked for is what happens."""
    return perform(request)


def nobody() -> None:
    """Nobody else is at work."""


@dataclass(slots=True)
class FaultGate:
    """Counts the calls of one run and breaks some of them.

    Attributes:
        faults: the mode in which the call with each number breaks.
        bug: what stands between the flows and the outside.
        others: what other workers do while a call stalls.
        somebody: what somebody else does just before a call.
        before: called before every call, for a scheduler.
        passed: the ports of the numbered calls so far, in order.
    """

    faults: Faults = field(default_factory=dict)
    bug: Bug = honest
    others: Callable[[], None] = nobody
    somebody: Callable[[], None] = nobody
    before: Callable[[], None] = nobody
    passed: list[str] = field(default_factory=list)
    _silent: int = 0

    def call(self, request: Request, perform: Perform) -> Any:
        """Make a call, through the bug and the faults."""
        self.before()
        return self.bug(request, lambda asked: self._numbered(asked, perform))

    def _numbered(self, request: Request, perform: Perform) -> Any:
        if self._silent:
            return perform(request)
        self.passed.append(request.port)
        match self.faults.get(len(self.passed)):
            case "crash":
                raise Died
            case "error":
                raise MailThrottled("not sent") if request.port == "mail" else Transient("not done")
            case "lost":
                perform(request)
                raise MailInDoubt("no reply") if request.port == "mail" else Transient("no reply")
            case "stall":
                with self.unnumbered():
                    self.others()
                return perform(request)
            case "meet":
                with self.unnumbered():
                    self.somebody()
                return perform(request)
            case None:
                return perform(request)

    @property
    def is_numbering(self) -> bool:
        """Whether calls are part of what is swept just now."""
        return not self._silent

    @contextmanager
    def unnumbered(self) -> Iterator[None]:
        """Let calls pass that are not part of what is swept."""
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1
