"""Why a decision came out as it did, told to a person from its record alone.

The record is read from the stage's storage, and so is a policy that was activated there; law, model
and the packaged policy come from this checkout. When they are not the ones that decided, the
reasoning is told all the same, and what would have changed it is not claimed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from chalicelib.aws.secrets import SigningKeysParameter
from chalicelib.aws.store import DynamoStore
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import NotFound, SegueError
from chalicelib.core.explain import explain
from chalicelib.core.instants import format_instant
from chalicelib.core.plain_words import explain_to_customer
from chalicelib.core.ports import Store
from chalicelib.core.record import rules_hash_of
from chalicelib.core.rules import Rules
from chalicelib.flows.read import find_record
from chalicelib.flows.review import find_review
from chalicelib.flows.rulebook import Rulebook
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session
from ops.stage_rules import rules_of as rules_of
from ops.stage_rules import with_policy


@click.command()
@click.argument("decision_id")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def why(decision_id: str, stage: str, endpoint_url: str | None, region: str | None) -> None:
    """Print the whole reasoning of one decision."""
    session = open_session(endpoint_url=endpoint_url, region=region)
    try:
        environment = stack_environment(session, stage=stage)
        client = session.client("dynamodb")
        tables = {
            "decisions": environment["SEGUE_DECISIONS_TABLE"],
            "control": environment["SEGUE_CONTROL_TABLE"],
        }
        store = DynamoStore(lambda: client, tables=tables)  # type: ignore[arg-type]
        now = int(time.time())
        parameter = SigningKeysParameter(
            lambda: session.client("ssm"), name=environment["SEGUE_SIGNING_KEYS_PARAMETER"]
        )
        record = find_record(decision_id, store=store, keys=parameter.read(now=now), now=now)
        if is_erased(record):
            raise click.ClickException("the person was erased; nothing of theirs is kept")
        packaged = rules_of(environment, model=record["model"]["name"])
        told = tell(record, packaged=packaged, store=store, now=now)
    except (DeploymentFailed, NotFound) as error:
        raise click.ClickException(str(error)) from None
    except SegueError as error:
        raise click.ClickException(f"storage did not answer: {error}") from None
    click.echo(told)


def tell(record: Mapping[str, Any], *, packaged: Rules, store: Store, now: int) -> str:
    """The reasoning for an operator, then what the customer may be told, and whether they asked.

    Args:
        record: of a person who was not erased.
        packaged: law, model and policy of this checkout; a policy that the stage stores is read.
        store: of the stage.
        now: the moment.
    """
    book = Rulebook(packaged, lambda policy: with_policy(packaged, policy))
    rules = book.find_or_current(rules_hash_of(record), store=store, now=now)
    asked = find_review(record["decision_id"], store=store, now=now)
    return "\n\n".join(
        [explain(record, rules=rules), _for_the_customer(record, rules), _review(asked)]
    )


def _for_the_customer(record: Mapping[str, Any], rules: Rules) -> str:
    told = explain_to_customer(record, rules=rules)
    parts = () if told is None else (*told.procedure, *told.factors, *told.nearest_change)
    said = [*parts, *([] if told is None else [told.review])]
    return "In words for the customer\n" + "\n".join(f"  {each}" for each in said)


def _review(asked: Mapping[str, Any] | None) -> str:
    if asked is None:
        return "Review by a person\n  nobody has asked for one"
    return f"Review by a person\n  asked for at {format_instant(asked['requested_at'])}"
