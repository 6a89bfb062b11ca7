"""Big files on the local stack: divided by the real template, with parts that die on the way."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.instants import format_instant
from chalicelib.flows.drop_notice import Arrived
from ops.cli import main
from ops.demo import PLAN, open_venue
from ops.package import build_from_environment, ensure_package
from ops.redrive_drop import open_divided
from ops.stack import running
from ops.story.play import Venue
from tests.e2e.deployed import eventually
from tests.e2e.faults import ALWAYS, break_part, breakable, mend_part
from tests.e2e.test_drop_to_mail import redeliver

pytestmark = pytest.mark.e2e

DAY_SECONDS = 86_400
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stages:
    """Two stages on one stack: in ``big`` small files are big ones, in ``plain`` none is."""

    big: Venue
    plain: Venue


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Both stages, of a package whose parts may be told to die."""
    directory: Path = tmp_path_factory.mktemp("big")
    package = breakable(
        ensure_package(build_from_environment(local=True), say=print), directory / "package"
    )
    with running(directory / "stack") as stack:
        plan = replace(PLAN, stage="big", divide_above_bytes=100_000)
        yield Stages(
            open_venue(package, stack, say=print, plan=plan),
            open_venue(package, stack, say=print, plan=replace(PLAN, stage="plain")),
        )


def put(venue: Venue, key: str, body: bytes) -> Arrived:
    """Drop a file."""
    bucket = venue.outputs["DropsBucket"]
    done = venue.session.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    return Arrived(bucket, key, done.get("VersionId"), done["ETag"].strip('"'))


def ended(venue: Venue, drop_id: str, *, within_seconds: float = 240) -> Answer:
    """How a drop ended."""

    def look() -> Answer | None:
        found = venue.shop.drop(drop_id)
        return found if found is not None and found["state"] != "RUNNING" else None

    return eventually(look, within_seconds=within_seconds, what=f"the end of {drop_id}")


def result(venue: Venue, drop_id: str, name: str) -> bytes:
    """A file of the results."""
    body: bytes = (
        venue.session.client("s3")
        .get_object(Bucket=venue.outputs["ResultsBucket"], Key=f"results/{drop_id}/{name}")["Body"]
        .read()
    )
    return body


def rows(venue: Venue, drop_id: str, name: str) -> list[dict[str, str]]:
    """The rows of every file that the manifest lists under a name, by customer."""
    files = json.loads(result(venue, drop_id, "manifest.json"))["files"]
    found = [
        row
        for file in files
        if file["name"].startswith(name)
        for row in csv.DictReader(io.StringIO(result(venue, drop_id, file["name"]).decode()))
    ]
    return sorted(found, key=lambda row: row["customer_id"])


def orders(count: int, *, now: int) -> bytes:
    """Orders of a hundred customers in no order, some of them refused."""
    chance = random.Random(11)  # noqa: S311 - invented data
    lines = [
        f"o-{n},c-{chance.randrange(100)},"
        f"{format_instant(now - chance.randrange(5, 300) * DAY_SECONDS)},1,USD,{n % 90 + 1}.00"
        for n in range(count)
    ]
    lines += [lines[5], "o-7,c-other,2026-01-01T00:00:00Z,1,USD,3.00", "o-8,c-8,never,1,USD,3.00"]
    chance.shuffle(lines)
    return "\n".join(["order_id,customer_id,ordered_at,quantity,currency,amount", *lines]).encode()


def test_an_orders_file_comes_to_what_it_comes_to_undivided(stages: Stages) -> None:
    """With a range that dies once and a partition that dies until it is mended and redriven."""
    text = orders(2_500, now=int(time.time()))
    objects, bucket = stages.big.session.client("s3"), stages.big.outputs["ResultsBucket"]
    break_part(objects, bucket, "part", 2, times=1)
    break_part(objects, bucket, "partition", 3, times=ALWAYS)
    people = "customer_id,email,country,consent_marketing_email\n" + "".join(
        f"c-{n},c{n}@example.com,US,true\n" for n in range(100)
    )
    for venue in (stages.big, stages.plain):
        contacts = put(venue, "customers/all.csv", people.encode())
        assert ended(venue, contacts.drop_id)["state"] == "COMPLETE"
    plain = put(stages.plain, "orders/all.csv", text)
    arrived = put(stages.big, "orders/all.csv", text)

    partial = ended(stages.big, arrived.drop_id)

    assert partial["state"] == "PARTIAL"
    assert partial["failed_parts"] == ["partition 3"]
    assert json.loads(result(stages.big, arrived.drop_id, "summary.json"))["missing"] == {
        "partitions": [3]
    }
    mend_part(objects, bucket, "partition", 3)
    divided = open_divided(stages.big.session, "big")
    assert divided.redrive(arrived.drop_id, now=int(time.time())) == f"{arrived.drop_id}-2"
    eventually(
        lambda: stages.big.shop.drop(arrived.drop_id)["state"] != "PARTIAL" or None,  # type: ignore[index]
        within_seconds=60,
        what="the second go",
    )
    found, expected = ended(stages.big, arrived.drop_id), ended(stages.plain, plain.drop_id)

    assert (found["state"], expected["state"]) == ("COMPLETE", "COMPLETE")
    assert found["counts"]["ranges"] >= 8
    assert {name: found["counts"][name] for name in expected["counts"]} == expected["counts"]
    for name in ("scores", "unscored"):
        assert rows(stages.big, arrived.drop_id, name) == rows(stages.plain, plain.drop_id, name)
    assert result(stages.big, arrived.drop_id, "rejects.csv") == result(
        stages.plain, plain.drop_id, "rejects.csv"
    )
    for n in range(0, 100, 17):
        one, other = (
            venue.shop.call("GET", f"/v1/customers/c-{n}").body
            for venue in (stages.big, stages.plain)
        )
        # When silence will change something is looked for from the moment of the work on.
        moments = {"review_at": None}
        assert {**one["facts"], **moments} == {**other["facts"], **moments}

    executions = divided.executions.list_executions(stateMachineArn=divided.arn)["executions"]
    redeliver(stages.big, "orders/all.csv")
    eventually(lambda: _drained(stages.big) or None, within_seconds=60, what="an empty queue")
    again = divided.executions.list_executions(stateMachineArn=divided.arn)["executions"]
    assert len(again) == len(executions) == 2


def _drained(venue: Venue) -> bool:
    names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = venue.session.client("sqs").get_queue_attributes(
        QueueUrl=venue.outputs["DropsQueue"], AttributeNames=names
    )["Attributes"]
    return not any(int(attributes[name]) for name in names)


RECORDS = 5_800_000  # 300 MB
BAD = 7


def features(path: Path) -> int:
    """A features file of 300 MB, with a few records that cannot be used; its size in bytes."""
    header = ",".join(("customer_id", *FEATURE_NAMES))
    with path.open("w") as file:
        file.write(header + "\n")
        for start in range(0, RECORDS, 100_000):
            file.writelines(
                f"customer-{n:08},{n % 400}.25,{n % 17}.0,{n % 9_000}.75,{n % 900}.125,"
                f"{n % 90}.0625\n"
                for n in range(start, start + 100_000)
            )
        file.writelines(f"bad-{n},never,1,1,1,1\n" for n in range(BAD))
    return path.stat().st_size


def test_300_mb_in_many_ranges_lose_and_double_no_row(stages: Stages, tmp_path: Path) -> None:
    """Two ranges die once, one until it is mended: it is listed, redriven, and all is complete."""
    venue, source = stages.plain, tmp_path / "features.csv"
    size = features(source)
    objects, bucket = venue.session.client("s3"), venue.outputs["ResultsBucket"]
    for number in (3, 17):
        break_part(objects, bucket, "part", number, times=1)
    break_part(objects, bucket, "part", 11, times=ALWAYS)
    arrived = put(venue, "features/all.csv", source.read_bytes())

    partial = ended(venue, arrived.drop_id, within_seconds=600)

    assert (partial["state"], partial["failed_parts"]) == ("PARTIAL", ["range 11"])
    assert size >= 300_000_000
    mend_part(objects, bucket, "part", 11)
    runner = CliRunner().invoke(
        main,
        ["redrive-drop", arrived.drop_id, "--stage", "plain", "--endpoint-url", venue.endpoint_url],
    )
    assert runner.exit_code == 0, runner.output
    eventually(
        lambda: venue.shop.drop(arrived.drop_id)["state"] != "PARTIAL" or None,  # type: ignore[index]
        within_seconds=60,
        what="the second go",
    )
    found = ended(venue, arrived.drop_id)

    assert found["state"] == "COMPLETE"
    assert found["counts"]["ranges"] >= 30
    assert found["counts"]["records"] == RECORDS + BAD
    assert (found["counts"]["scored"], found["counts"]["rejected"]) == (RECORDS, BAD)
    scores = tmp_path / "scores"
    scores.mkdir()
    for file in json.loads(result(venue, arrived.drop_id, "manifest.json"))["files"]:
        body = result(venue, arrived.drop_id, file["name"])
        assert sha256(body).hexdigest() == file["sha256"]
        if file["name"].startswith("scores/"):
            (scores / Path(file["name"]).name).write_bytes(body)
    rows, ids, least, most = duckdb.execute(
        "SELECT count(*), count(DISTINCT customer_id), min(customer_id), max(customer_id)"  # noqa: S608
        f" FROM read_parquet('{scores}/*.parquet')"
    ).fetchone() or (0, 0, "", "")
    assert (rows, ids) == (RECORDS, RECORDS)
    assert (least, most) == ("customer-00000000", f"customer-{RECORDS - 1:08}")
    rejected = csv.DictReader(io.StringIO(result(venue, arrived.drop_id, "rejects.csv").decode()))
    assert [int(row["record"]) for row in rejected] == [RECORDS + n for n in range(1, BAD + 1)]
