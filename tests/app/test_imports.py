"""What a cold start of the API may load, asked of a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

from ops.places import ROOT

HEAVY = ["numpy", "scipy", "sklearn", "joblib", "pandas", "duckdb", "sqlglot", "boto3"]
LAZY = [
    "jinja2",
    "email_validator",
    "botocore.session",
    "botocore.client",
    "openapi_spec_validator",
    "chalicelib.console",
    "chalicelib.api.console",
]
REPORT = "import sys, json; print(json.dumps(sorted(sys.modules)))"
DECIDE = """
from dataclasses import replace
import app
from benchmarks.decision import KEYS
from benchmarks.settings import SETTINGS
from benchmarks.held_store import HeldStore
from benchmarks.people import checkout_event
from chalicelib.adapters import aws_adapters
from chalicelib import wiring
from chalicelib.api.edge import Access
from chalicelib.aws.clients import Clients

store = HeldStore([])
aws = aws_adapters(SETTINGS, Clients())
adapters = replace(aws, hurried=lambda: Access(store, lambda: KEYS))
wiring.install(wiring.Parts(SETTINGS, adapters))
assert app.app(checkout_event("c-1", session_id="s-1"), None)["statusCode"] == 200
assert wiring.parts().rejected is None
"""


def loaded_by(code: str, *, environment: dict[str, str] | None = None) -> set[str]:
    """The modules that are loaded after running some code."""
    run = subprocess.run(  # noqa: S603  (our own interpreter, our own code)
        [sys.executable, "-c", f"{code}\n{REPORT}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", [*HEAVY, *LAZY])
def test_importing_the_app_loads_nothing_heavy(module: str) -> None:
    """No model library, no file engine, no SDK: they would cost every cold start seconds."""
    assert module not in imported_by_app()


@pytest.mark.parametrize("module", [*HEAVY, "jinja2", "chalicelib.console"])
def test_a_decision_by_the_packaged_model_loads_nothing_heavy(module: str) -> None:
    """Scoring is plain Python: neither the first decision nor any other unpickles or imports."""
    assert module not in loaded_by_a_decision()


def test_importing_the_app_needs_no_environment() -> None:
    """Chalice imports the app when it packages it, where no setting exists."""
    assert "chalicelib.wiring" in loaded_by("import app")


def test_importing_the_app_reads_no_document() -> None:
    """Policy and model are read on first use: nothing of the engine is there before."""
    code = "import builtins, app, chalicelib.wiring as w\nassert not w._installed\n"

    assert "app" in loaded_by(code)


@cache
def imported_by_app() -> set[str]:
    """What ``import app`` loads."""
    return loaded_by("import app")


@cache
def loaded_by_a_decision() -> set[str]:
    """What is loaded after a decision, with everything packaged and storage in memory."""
    return loaded_by(DECIDE)
