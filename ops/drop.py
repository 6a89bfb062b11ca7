"""Drop a file into a deployed stage, and show what becomes of it.

python -m ops drop orders.csv --to orders/
python -m ops drop CDNOW_sample.txt --to orders/cdnow-original/ --as-of 1998-07-01
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from boto3.session import Session
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Drop
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import format_instant, parse_instant
from chalicelib.core.kinds import DROP
from chalicelib.core.ports import Store
from chalicelib.documents import Documents
from chalicelib.flows.drop_layouts import plan_for
from chalicelib.flows.drop_notice import Arrived
from ops.cloudformation import DeploymentFailed
from ops.deploy import stack_environment
from ops.session import open_session

POLL_SECONDS = 0.5
# The function's own time limit, and as much again for a queue that has other files before this.
MOST_SECONDS = 1_800


class DropUnfinished(Exception):
    """A file was not done with in time: how far it was."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of one stage go, and where their results lie."""

    session: Session
    drops_bucket: str
    results_bucket: str
    store: Store


def key_for(file: Path, prefix: str) -> str:
    """The key of a file under a prefix; raises BadInput when no drop would take it."""
    key = f"{prefix.strip('/')}/{file.name}"
    plan_for(key, Documents().mapping)
    return key


def put_file(file: Path, key: str, place: Place, *, as_of: int | None = None) -> Arrived:
    """Put a file into the drops bucket; what is returned names the drop that it becomes."""
    with file.open("rb") as body:
        put = place.session.client("s3").put_object(
            Bucket=place.drops_bucket,
            Key=key,
            Body=body,
            Metadata={} if as_of is None else {"as-of": format_instant(as_of)},
        )
    return Arrived(place.drops_bucket, key, put.get("VersionId"), put["ETag"].strip('"'))


def follow(
    drop_id: str,
    store: Store,
    *,
    show: Callable[[Mapping[str, int]], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Drop:
    """Wait for the end of a drop, showing its counts; raises DropUnfinished."""
    until = clock() + MOST_SECONDS
    key, seen = DROP.key(drop_id), "nobody has begun to read it"
    while clock() < until:
        drop = store.read([key], now=int(time.time())).value(key)
        if drop is not None:
            show(drop.counts)
            if drop.state != "RUNNING":
                return drop
            seen = ", ".join(f"{count} {name}" for name, count in drop.counts.items())
        sleep(POLL_SECONDS)
    raise DropUnfinished(f"no end after {MOST_SECONDS} s: {seen}")


def _place(stage: str, endpoint_url: str | None, region: str | None) -> Place:
    session = open_session(endpoint_url=endpoint_url, region=region)
    names = stack_environment(session, stage=stage)
    client = session.client("dynamodb")
    tables: Mapping[str, str] = {"control": names["SEGUE_CONTROL_TABLE"]}
    return Place(
        session,
        drops_bucket=names["SEGUE_DROPS_BUCKET"],
        results_bucket=names["SEGUE_RESULTS_BUCKET"],
        store=DynamoStore(lambda: client, tables=tables),  # type: ignore[arg-type]
    )


def _follow_for_a_person(drop_id: str, key: str, store: Store) -> Drop:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(key, total=None)

        def show(counts: Mapping[str, int]) -> None:
            done = sum(counts.get(name, 0) for name in ("folded", "duplicate", "rejected"))
            bar.update(task, completed=done, total=counts.get("records"))

        return follow(drop_id, store, show=show)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "prefix",
    required=True,
    metavar="PREFIX",
    help="customers/, catalog/, features/, orders/ or orders/MAPPING/.",
)
@click.option("--as-of", "as_of", metavar="ISO", help="The moment the file speaks of, if not now.")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def drop(
    file: Path,
    prefix: str,
    as_of: str | None,
    stage: str,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Drop a file into a stage and show what becomes of it."""
    try:
        key = key_for(file, prefix)
        moment = None if as_of is None else parse_instant(as_of, field="--as-of")
        place = _place(stage, endpoint_url, region)
        arrived = put_file(file, key, place, as_of=moment)
        ended = _follow_for_a_person(arrived.drop_id, key, place.store)
    except (BadInput, DeploymentFailed, DropUnfinished) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{key}: {ended.state}{f' ({ended.reason})' if ended.reason else ''}")
    click.echo(f"results: s3://{place.results_bucket}/results/{ended.drop_id}/")
    click.echo(json.dumps({"drop_id": ended.drop_id, "state": ended.state, **ended.counts}))
    if ended.state != "COMPLETE":
        sys.exit(1)
