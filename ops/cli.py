"""Which commands there are. A command's module is imported only when that command runs.

``python -m ops COMMAND`` finds the click command ``COMMAND`` in the module ``ops.COMMAND``, hyphens
written as underscores, so ``python -m ops key`` never pays for scikit-learn.
"""

from __future__ import annotations

from importlib import import_module

import click

from chalicelib.core.errors import SegueError

COMMANDS = {
    "breaker": "Show what the bounce and complaint breaker counts, or begin anew.",
    "chromium": "Find the browser of the end-to-end tests, or install it.",
    "cost": "Say what a stage costs: a million of each thing, idling, 100 million customers.",
    "demo": "Run the whole story on the local stack; --check plays it without a person.",
    "deploy": "Create or update a stack, on AWS or on the local stack.",
    "dictionary": "Make the dictionary that decision records are packed with.",
    "doctor": "Say what stands in the way of real sending.",
    "drop": "Put a file into a stage and show what becomes of it.",
    "estimate": "Estimate what a policy would be worth, from decisions with outcomes.",
    "evaluate": "Print the model's figures on held-out time.",
    "export-sql": "Write the model, or its features, as one SQL select.",
    "key": "Make and revoke API keys.",
    "learn": "Learn from what became of decisions, and publish it.",
    "local": "Serve the API on an in-process AWS, with seeded data.",
    "measure": "Say what actions and experiments have brought, with intervals.",
    "package": "Build the deployable package and prove it.",
    "parity": "Score a million rows with every engine, and fail where they differ.",
    "prove": "Measure the statistical figures, and fail where a bound is broken.",
    "reapply": "Erase again what a restore of tables brought back.",
    "reliability": "Compare with plain boto3 and with Powertools: duplicates, losses, doubts.",
    "redrive": "Put dead letters back on their way.",
    "redrive-drop": "Work again on the parts of a big file that failed.",
    "revoke": "Take codes back, or every code of an action.",
    "score": "Score a features file on this machine, without AWS.",
    "screenshots": "Play the demo and take pictures of the console.",
    "signing": "Rotate the keys that sign quotes and unsubscribe links.",
    "simulate": "Show what a policy would change before it goes live.",
    "stack": "Run the local stack in the foreground.",
    "train": "Turn an orders file into a packaged model.",
    "why": "Print the whole reasoning of one decision.",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command; None for a name that is not a command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"ops.{name}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"ops.{name}.{name} is not a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what AWS or a rule of ours refuses is told in one line."""
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except Exception as error:
            # Late, for a command that asks nothing of AWS need not know how it fails.
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

            if not isinstance(error, (BotoCoreError, ClientError, SegueError)):
                raise
            raise click.ClickException(f"{type(error).__name__}: {error}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup)
def main() -> None:
    """Build, deploy, train and look into Segue."""
