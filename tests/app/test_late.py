"""Modules that are loaded late: nothing of them before, all of it when it is asked for."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

import app
from chalicelib import wiring
from chalicelib.api import routes
from chalicelib.core import kinds
from chalicelib.late import Late, LateCalls, late, late_calls
from ops.places import ROOT

WAITING = {
    f"{module.__name__}.{name}": stand_in
    for module in (app, wiring, routes, kinds)
    for name, stand_in in vars(module).items()
    if isinstance(stand_in, Late)
}
FIRST_DECISION = """
import sys
import app
from benchmarks.decision import install
from benchmarks.people import People, checkout_event
from benchmarks.settings import ENVIRONMENT
import os
os.environ.update(ENVIRONMENT)
from chalicelib import wiring
edge = wiring.edge()
edge.rulebook()
edge.hurried()
install(People((), 1_700_000_000))
before = set(sys.modules)
assert app.app(checkout_event("c-1", session_id="s-1"), None)["statusCode"] == 200
print(*sorted(name for name in set(sys.modules) - before if "." in name))
"""


@pytest.mark.parametrize("stand_in", WAITING.values(), ids=WAITING)
def test_every_module_that_waits_can_be_loaded(stand_in: Late) -> None:
    """A stand-in names a module that is there: its docstring is the module's own."""
    assert Late.__getattr__(stand_in, "__file__").startswith(str(ROOT))


def test_a_stand_in_gives_what_the_module_has() -> None:
    """What is asked of a stand-in is the module's own object, and what is missing is missing."""
    (seal,) = late("chalicelib.core", "seal")

    from chalicelib.core import seal as module  # noqa: PLC0415  (beside its stand-in)

    assert seal.sealed is module.sealed
    with pytest.raises(AttributeError, match="nothing"):
        _ = seal.nothing


def test_a_function_that_is_named_loads_nothing_until_it_is_called() -> None:
    """Naming a function of a module that does not exist is no error; calling it is."""
    (missing,) = late_calls("chalicelib.core", "no_such_module")

    call = missing.anything

    assert isinstance(missing, LateCalls)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        call()


def test_kinds_encode_by_what_they_name() -> None:
    """A codec that waits calls the module's own function."""
    from chalicelib.core.pace import Pace  # noqa: PLC0415  (as a flow that needs it)

    value = kinds.PACE.from_json(kinds.PACE.to_json(Pace()))

    assert value == Pace()


def test_a_first_decision_loads_nothing_more() -> None:
    """Whatever a decision needs is there before the first one: nothing was put off to flatter."""
    done = subprocess.run(  # noqa: S603  (our own interpreter, our own code)
        [sys.executable, "-c", FIRST_DECISION],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == []


def test_the_garbage_collector_works_once_the_app_is_imported() -> None:
    """It waits while the app is imported, then goes on, and what was imported is left alone."""
    code = "import gc, app; print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    done = subprocess.run(  # noqa: S603  (our own interpreter, our own code)
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "True"]
    assert gc.isenabled()
