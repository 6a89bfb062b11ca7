"""The commands: each is where its name says, and none is paid for before it is called."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ops.cli import COMMANDS, main
from ops.places import ROOT


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_is_in_the_module_of_its_name(name: str) -> None:
    """``python -m ops NAME`` finds a click command called NAME in ops/NAME.py."""
    command = main.get_command(click.Context(main), name)

    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_help_imports_no_command() -> None:
    """Listing the commands loads neither scikit-learn nor boto3."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from ops.cli import main\n"
        "print(CliRunner().invoke(main, ['--help']).output)\n"
        "print(sorted({'sklearn', 'boto3', 'duckdb', 'matplotlib'} & set(sys.modules)))\n"
    )

    shown = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert all(name in shown for name in COMMANDS)
    assert shown.splitlines()[-1] == "[]"


def test_an_unknown_command_is_refused() -> None:
    """A misspelt command is an error with the usage, not a traceback."""
    result = CliRunner().invoke(main, ["deplyo"])

    assert result.exit_code == 2
    assert "deplyo" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ["breaker"],
        ["breaker", "reset", "--reason", "the list is deleted"],
        ["deploy"],
        ["doctor"],
        ["key", "list"],
        ["redrive", "--all"],
        ["signing", "rotate"],
        ["why", "d_0"],
    ],
)
def test_without_an_account_a_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """No credentials is an error of one line that names the cause."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 1
    assert result.output == "Error: NoCredentialsError: Unable to locate credentials\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--stage", "Prod"], "--stage"),
        (["--sender", "nobody"], "--sender"),
        (["--sender", "Shop <shop@example.com>"], "--postal-address"),
        (["--fresh-within-hours", "weather=3"], "weather is no source"),
    ],
)
def test_deploy_refuses_what_could_not_work(aws: None, arguments: list[str], problem: str) -> None:
    """A wrong stage, no mailbox, no postal address, no source: refused before anything is built."""
    result = CliRunner().invoke(main, ["deploy", *arguments])

    assert result.exit_code == 2
    assert problem in result.output
