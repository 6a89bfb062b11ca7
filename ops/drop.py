"""Drop a file into a deployed stage, and with --watch show what becomes of it.

python -m ops drop orders.csv --to orders/ --watch
python -m ops drop CDNOW_sample.txt --to orders/cdnow-original/ --as-of 1998-07-01
python -m ops drop --watch-id 3f2a… --stage prod

Watching asks ``GET /v1/drops/{id}`` with the key in SEGUE_API_KEY, which needs the scope read. It
may be stopped and taken up again; the file goes its way meanwhile.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from boto3.session import Session
from rich.console import Console

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import format_instant, parse_instant
from chalicelib.documents import Documents
from chalicelib.flows.drop_layouts import plan_for
from chalicelib.flows.drop_notice import Arrived
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session
from ops.watching import end_of, looking_at, watch

KEY_VARIABLE = "SEGUE_API_KEY"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as the command line names it.

    Attributes:
        name: of the stage.
        endpoint_url: a local stack in place of AWS.
        region: of AWS.
        url: of its interface; None is what the stack says.
    """

    name: str
    endpoint_url: str | None
    region: str | None
    url: str | None

    def place(self) -> Place:
        """Where files go; raises DeploymentFailed without a stack."""
        session = open_session(endpoint_url=self.endpoint_url, region=self.region)
        names = stack_environment(session, stage=self.name)
        return Place(
            session,
            drops_bucket=names["SEGUE_DROPS_BUCKET"],
            results_bucket=names["SEGUE_RESULTS_BUCKET"],
            url=self.url or names["SEGUE_PUBLIC_URL"],
        )

    def watching(self, drop_id: str) -> str:
        """The command that watches a drop."""
        command = ["python", "-m", "ops", "drop", "--watch-id", drop_id, "--stage", self.name]
        given = {"--url": self.url, "--endpoint-url": self.endpoint_url, "--region": self.region}
        for option, value in given.items():
            command += [] if value is None else [option, value]
        return shlex.join(command)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of one stage go, where their results lie, and who tells of them."""

    session: Session
    drops_bucket: str
    results_bucket: str
    url: str


def key_for(file: Path, prefix: str) -> str:
    """The key of a file under a prefix; raises BadInput when no drop would take it."""
    key = f"{prefix.strip('/')}/{file.name}"
    plan_for(key, Documents().mapping)
    return key


def put_file(file: Path, key: str, place: Place, *, as_of: int | None = None) -> Arrived:
    """Put a file into the drops bucket; what is returned names the drop that it becomes."""
    client = place.session.client("s3")
    metadata = {} if as_of is None else {"as-of": format_instant(as_of)}
    # In parts where it is big: one PUT takes 5 GB at most.
    client.upload_file(str(file), place.drops_bucket, key, ExtraArgs={"Metadata": metadata})
    put = client.head_object(Bucket=place.drops_bucket, Key=key)
    return Arrived(place.drops_bucket, key, put.get("VersionId"), put["ETag"].strip('"'))


@click.command()
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option(
    "--to",
    "prefix",
    metavar="PREFIX",
    help="customers/, catalog/, features/, orders/ or orders/MAPPING/.",
)
@click.option("--as-of", "as_of", metavar="ISO", help="The moment the file speaks of, if not now.")
@click.option("--watch", "watched", is_flag=True, help="Show what becomes of it, until its end.")
@click.option("--watch-id", "drop_id", metavar="ID", help="Watch a drop that is under way.")
@click.option("--url", help="Of the stage's interface, if not as it says.")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def drop(
    file: Path | None,
    prefix: str | None,
    as_of: str | None,
    watched: bool,
    drop_id: str | None,
    url: str | None,
    stage: str,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Drop a file into a stage; watch it, or one that is under way, to its end.

    Ends with 1 when it was rejected, or when only parts of it could be done.
    """
    chosen = Stage(stage, endpoint_url, region, url)
    try:
        if drop_id is not None:
            if file is not None or prefix is not None:
                raise click.UsageError("--watch-id names a drop: give no FILE and no --to with it")
            _watch(drop_id, chosen, url or chosen.place().url, name=drop_id, key=_key())
        elif file is None or prefix is None:
            raise click.UsageError("give a FILE and --to PREFIX, or --watch-id ID")
        else:
            _drop(file, prefix, as_of, chosen, key=_key() if watched else None)
    except (BadInput, DeploymentFailed) as error:
        raise click.ClickException(str(error)) from None


def _key() -> str:
    """The key to watch with, looked for before anything is uploaded."""
    key = os.environ.get(KEY_VARIABLE)
    if not key:
        raise click.UsageError(
            f"watching needs a key with the scope read in {KEY_VARIABLE}"
            " (python -m ops key create --scope read)"
        )
    return key


def _drop(file: Path, prefix: str, as_of: str | None, stage: Stage, *, key: str | None) -> None:
    """Upload a file, and watch it when there is a key to watch with."""
    object_key = key_for(file, prefix)
    moment = None if as_of is None else parse_instant(as_of, field="--as-of")
    place = stage.place()
    arrived = put_file(file, object_key, place, as_of=moment)
    drop_id = arrived.drop_id
    click.echo(f"results: s3://{place.results_bucket}/results/{drop_id}/")
    if key is not None:
        return _watch(drop_id, stage, place.url, name=object_key, key=key)
    click.echo(f"watch it: {stage.watching(drop_id)}")
    click.echo(json.dumps({"drop_id": drop_id, "key": object_key}))
    return None


def _watch(drop_id: str, stage: Stage, url: str, *, name: str, key: str) -> None:
    answer = watch(
        drop_id,
        looking_at(drop_id, url=url, key=key),
        name=name,
        again=stage.watching(drop_id),
        console=Console(stderr=True),
    )
    for line in end_of(answer):
        click.echo(line)
    if answer["state"] != "COMPLETE":
        sys.exit(1)
