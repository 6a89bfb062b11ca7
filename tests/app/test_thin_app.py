"""``app.py`` is a table of contents: decorators and one line each, and nothing decided there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import app as segue
from ops.places import ROOT

TREE = ast.parse((ROOT / "app.py").read_text())
HANDLERS = [node for node in TREE.body if isinstance(node, ast.FunctionDef)]
MOST_STATEMENTS = 3
DECIDING = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.Match, ast.BoolOp,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda,
)  # fmt: skip
ALLOWED = (
    "chalice", "chalicelib.api", "chalicelib.flows", "chalicelib.late", "chalicelib.wiring",
)  # fmt: skip


def imported(tree: ast.Module) -> list[str]:
    """Every module that is imported, by its full name."""
    names = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                names += [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), names=aliases):
                names += [f"{module}.{alias.name}" for alias in aliases]
    return names


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.name)
def test_a_handler_decides_nothing(handler: ast.FunctionDef) -> None:
    """At most three statements besides the docstring, and no branch, loop or comprehension."""
    statements = handler.body[1:]

    assert ast.get_docstring(handler)
    assert 1 <= len(statements) <= MOST_STATEMENTS
    assert not [node for node in ast.walk(handler) if isinstance(node, DECIDING)]
    assert handler.decorator_list, "what nothing calls does not belong here"


def test_app_imports_chalice_api_flows_wiring_and_the_standard_library_alone() -> None:
    """Whatever else a handler needs reaches it through a flow or the wiring."""
    others = [
        name
        for name in imported(TREE)
        if not name.startswith(ALLOWED) and name.partition(".")[0] not in sys.stdlib_module_names
    ]

    assert others == []


def test_nothing_that_ships_imports_app() -> None:
    """The app introduces its parts to each other; none of them knows it."""
    importing = [
        path.name
        for path in Path(ROOT / "chalicelib").rglob("*.py")
        if any(name.partition(".")[0] == "app" for name in imported(ast.parse(path.read_text())))
    ]

    assert importing == []


def test_every_lambda_function_of_the_design_is_there() -> None:
    """The names that the template, the policies and the operating table speak of."""
    names = {handler.name for handler in segue.app.pure_lambda_functions}
    events = {config.name for config in segue.app.event_sources}
    authorizers = {config.name for config in segue.app.builtin_auth_handlers}

    assert names == {"work_part"}
    assert events == {
        "on_decided",
        "on_drop",
        "on_effect",
        "on_effects_planned",
        "on_mail_event",
        "on_review_due",
        "on_sweep",
    }
    assert authorizers == {"bearer"}
