"""Why a decision came out as it did, told to a person from its record alone.

The record is read from the stage's storage; policy, law and model come from this checkout. When
they are not the ones that decided, the reasoning is told all the same, and what would have changed
it is not claimed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from chalicelib.aws.secrets import SigningKeysParameter
from chalicelib.aws.store import DynamoStore
from chalicelib.challenging import load_challengers
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import NotFound, SegueError
from chalicelib.core.explain import explain
from chalicelib.core.policy import Policy
from chalicelib.core.rules import Rules
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scorer
from chalicelib.documents import Documents
from chalicelib.flows.read import find_record
from chalicelib.scoring.load import load_scorer
from chalicelib.scoring.rejections import ArtifactRejected
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session


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
    except (DeploymentFailed, NotFound) as error:
        raise click.ClickException(str(error)) from None
    except SegueError as error:
        raise click.ClickException(f"storage did not answer: {error}") from None
    click.echo(explain(record, rules=rules_of(environment, model=record["model"]["name"])))


def rules_of(environment: Mapping[str, str], *, model: str) -> Rules:
    """The documents of this checkout: the stage's policy, and the model that decided."""
    documents = Documents()
    policy = documents.policy(environment.get("SEGUE_POLICY", "default"))
    engine = environment.get("SEGUE_SCORER", "portable")
    scorer = _scorer(engine, model, documents, policy)
    challengers, _ = load_challengers(policy, documents=documents, engine=engine)
    return Rules(
        policy,
        documents.jurisdictions,
        documents.jurisdictions_hash,
        scorer,
        challengers=challengers,
    )


def _scorer(engine: str, model: str, documents: Documents, policy: Policy) -> Scorer:
    scorecard = Scorecard(policy)
    if model == scorecard.name:
        return scorecard
    try:
        return load_scorer(engine, documents.model(model))
    except ArtifactRejected as rejection:
        click.echo(f"the model of this checkout was refused: {rejection}", err=True)
        return scorecard
