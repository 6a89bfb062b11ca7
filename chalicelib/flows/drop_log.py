"""What ``GET /v1/drops/{id}`` shows: where a drop stands, saved as the work goes on.

A new phase is saved when it begins, what has been done in it once a second at most: a file costs
as many writes as it takes seconds, however fast its customers are done with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from chalicelib.core.control import Drop, DropPhase, DropState, Failure
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import DROP, NEWEST_FILE
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put, Stored

SAVE_SECONDS = 1


class FinishedElsewhere(Refused):
    """Another worker has brought the same drop to its end; ``drop`` is what it left."""

    def __init__(self, drop: Drop) -> None:
        """Keep what the other worker left."""
        self.drop = drop
        super().__init__("finished_elsewhere")


class DropLog:
    """Saves one drop's progress; a slow worker never overwrites the end with its own middle.

    Attributes:
        drop: as last saved.
    """

    def __init__(
        self, drop: Drop, known: Stored[Drop] | None, *, store: Store, clock: Callable[[], int]
    ) -> None:
        """Take up a drop where an earlier attempt left it, or begin one."""
        self.drop = drop
        self._version = 0 if known is None else known.version
        self._store = store
        self._clock = clock

    def as_of(self, moment: int) -> None:
        """Remember the moment at which the file speaks."""
        self.drop = replace(self.drop, as_of=moment)

    def moved(
        self,
        counts: Mapping[str, int],
        *,
        state: DropState = "RUNNING",
        reason: str | None = None,
        failed_parts: Sequence[str] = (),
        failures: Sequence[Failure] = (),
    ) -> Drop:
        """The drop as it would now be saved; at its end nobody is at it."""
        moved = replace(
            self.drop,
            state=state,
            counts=dict(counts),
            reason=reason,
            failed_parts=tuple(failed_parts),
            failures=tuple(failures),
            changed_at=self._clock(),
        )
        if state != "RUNNING":
            moved = replace(moved, phase=None, phase_at=None, phase_from=0)
        return moved

    def enter(self, phase: DropPhase, counts: Mapping[str, int]) -> None:
        """Say that a phase begins; raises FinishedElsewhere."""
        moved = self.moved(counts)
        self.drop = replace(moved, phase=phase, phase_at=moved.changed_at, phase_from=moved.done)
        self.save(counts)

    def divide(self) -> None:
        """Say that parts are worked on elsewhere, none of them yet; raises FinishedElsewhere.

        What another delivery of the same file said of parts meanwhile is left as it stands.
        """
        self.drop = replace(self.drop, phase=None, phase_at=None, phase_from=0, divided=True)
        self.save({}, unless=lambda standing: standing.divided)

    def tell(self, counts: Mapping[str, int]) -> None:
        """Say how far the phase has come, unless that was just said; raises FinishedElsewhere."""
        if self._clock() - self.drop.changed_at >= SAVE_SECONDS:
            self.save(counts)

    def show(self, counts: Mapping[str, int]) -> None:
        """Say how far one of several workers found the drop, unless another has just said so.

        What it says is a help, not a record: it never takes back what was said of more, and whoever
        loses a race leaves it to the winner.
        """
        moved = self.moved(counts)
        if self.drop.state != "RUNNING" or moved.done < self.drop.done:
            return
        with suppress(Conflict):
            put = Put(DROP.key(moved.drop_id), moved, AtVersion(self._version))
            self._store.write([put], now=moved.changed_at)

    def tell_newest(self) -> None:
        """Say that this is the newest file of its kind, unless one that came later has ended."""
        key = NEWEST_FILE.key(self.drop.key.partition("/")[0])
        value = {"drop_id": self.drop.drop_id, "at": self.drop.started_at}
        now = self._clock()
        while True:
            found = self._store.read([key], now=now)
            known = found.value(key)
            if known is not None and known["at"] >= value["at"]:
                return
            with suppress(Conflict):
                self._store.write([Put(key, value, AtVersion(found.version(key)))], now=now)
                return

    def save(
        self,
        counts: Mapping[str, int],
        *,
        state: DropState = "RUNNING",
        reason: str | None = None,
        failed_parts: Sequence[str] = (),
        failures: Sequence[Failure] = (),
        unless: Callable[[Drop], bool] = lambda _: False,
    ) -> Drop:
        """Say where the work stands; raises FinishedElsewhere when somebody else ended it.

        ``unless`` is asked of what another worker saved meanwhile: where it is true, that stays.
        """
        self.drop = self.moved(
            counts, state=state, reason=reason, failed_parts=failed_parts, failures=failures
        )
        key, now = DROP.key(self.drop.drop_id), self.drop.changed_at
        while True:
            try:
                self._store.write([Put(key, self.drop, AtVersion(self._version))], now=now)
            except Conflict:
                standing = self._store.read([key], now=now).stored(key)
                if standing is not None and standing.value.state != "RUNNING":
                    raise FinishedElsewhere(standing.value) from None
                self._version = 0 if standing is None else standing.version
                if standing is not None and unless(standing.value):
                    self.drop = standing.value
                    return self.drop
            else:
                self._version += 1
                return self.drop
