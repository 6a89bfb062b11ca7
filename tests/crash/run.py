"""One run of a case behind its faults, and what the model says of it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TextIO, cast

from chalicelib import telemetry
from tests.crash import (  # noqa: F401 - bugs and cases register themselves
    bugs,
    bugs_articles,
    bugs_codes,
    bugs_gate,
    bugs_shop,
    bugs_stand,
    cases_after,
    cases_articles,
    cases_codes,
    cases_divided,
    cases_mail,
    cases_people,
    cases_profiles,
    cases_shop,
    cases_simulation,
)
from tests.crash.cases import CASES, Case, fresh
from tests.crash.gate import MODES, FaultGate, Faults, Mode
from tests.crash.normal import difference, tables
from tests.crash.watched import WatchedStore
from tests.crash.world import NeverQuiet, World


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        """Drop it."""
        return len(text)


def nowhere() -> TextIO:
    """A stream for logs that nobody reads."""
    return _Nowhere()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run.

    Attributes:
        calls: how many numbered calls were made.
        violations: what did not hold.
        lost: permitted mails that were never taken and are not tried again.
        in_doubt: mails that were taken and of which the ledger does not know it.
        passed: the ports of those calls, in order; empty where two faults were injected.
    """

    calls: int
    violations: tuple[str, ...]
    lost: int = 0
    in_doubt: int = 0
    passed: tuple[str, ...] = ()


def run(
    case_name: str,
    faults: Faults,
    bug_name: str | None = None,
    *,
    store: WatchedStore | None = None,
) -> Result:
    """Run a case, broken in these places and on this storage if need be, and judge it."""
    telemetry.configure(stage="crash", stream=nowhere())
    case = CASES[case_name]
    if case.same:
        undisturbed(case_name)
    gate = FaultGate(faults)
    world = fresh(case, gate, store)
    with bugs.planted(bug_name, world):
        try:
            world.run()
        except NeverQuiet as error:
            world.model.wrong(str(error))
        except Exception as error:  # a flow that breaks instead of failing by name
            world.model.wrong(f"{type(error).__name__}: {error}")
    return _judge(case, world)


@cache
def undisturbed(case_name: str) -> Mapping[str, Any]:
    """The tables of the run in which nothing breaks."""
    case = CASES[case_name]
    world = fresh(case, FaultGate())
    world.run()
    return tables(world, case.same, names=case.names)


def _judge(case: Case, world: World) -> Result:
    values = world.store.values()
    world.model.check(values, now=world.clock.now, text=world.store.text(now=world.clock.now))
    for what in case.check(world):
        world.model.wrong(what)
    if case.same:
        found = difference(undisturbed(case.name), tables(world, case.same, names=case.names))
        if found is not None:
            world.model.wrong(f"tables differ from those of the undisturbed run: {found}")
    model = world.model
    passed = tuple(world.gate.passed)
    return Result(
        len(passed),
        tuple(model.violations),
        model.lost(values),
        model.in_doubt(values),
        passed if len(world.gate.faults) < 2 else (),
    )


def replay_line(case_name: str, faults: Faults, bug_name: str | None = None) -> str:
    """What ``--replay`` understands."""
    places = ",".join(f"{number}:{mode}" for number, mode in sorted(faults.items()))
    return f"{case_name} [{places}]" + (f" with {bug_name}" if bug_name else "")


def read_replay(text: str) -> tuple[str, dict[int, Mode], str | None]:
    """Undo ``replay_line``; raises ValueError."""
    found = re.fullmatch(r"(.+?) \[([^]]*)\](?: with (.+))?", text.strip())
    if found is None or found[1] not in CASES or found[3] not in (None, *bugs.BUGS):
        raise ValueError(f"no run is called {text!r}")
    faults: dict[int, Mode] = {}
    for place in filter(None, found[2].split(",")):
        number, _, mode = place.partition(":")
        if mode not in MODES:
            raise ValueError(f"no mode is called {mode!r}")
        faults[int(number)] = cast("Mode", mode)
    return found[1], faults, found[3]
