"""Dropping a file from the command line: where it goes, and what is shown until it is done."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.aws.clients import Clients
from chalicelib.aws.objects import S3Objects
from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Drop
from chalicelib.core.errors import BadInput
from chalicelib.core.kinds import DROP
from chalicelib.core.storage import WHATEVER, Put
from ops.cli import main
from ops.drop import MOST_SECONDS, DropUnfinished, Place, follow, key_for, put_file
from tests.fakes import FixedClock, MemoryStore
from tests.stack import Stack, session

NOW = 1_795_000_000


@pytest.mark.parametrize(
    ("name", "prefix", "key"),
    [
        ("a.csv", "orders", "orders/a.csv"),
        ("a.csv.gz", "customers/", "customers/a.csv.gz"),
        ("sample.txt", "/orders/cdnow-original/", "orders/cdnow-original/sample.txt"),
    ],
)
def test_a_file_goes_under_its_prefix(name: str, prefix: str, key: str) -> None:
    """With or without slashes around it."""
    assert key_for(Path("/somewhere", name), prefix) == key


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("a.xlsx", "orders"), ("a.csv", "invoices"), ("a.csv", "orders/nowhere"), ("a.csv", "..")],
)
def test_what_no_drop_would_take_is_refused_before_it_is_sent(name: str, prefix: str) -> None:
    """The same rules as behind the bucket."""
    with pytest.raises(BadInput):
        key_for(Path(name), prefix)


def test_a_file_that_was_put_names_its_drop(stack: Stack, clients: Clients, tmp_path: Path) -> None:
    """The id is known at once, and the moment travels in the metadata."""
    file = tmp_path / "a.csv"
    file.write_bytes(b"sku,base_price,currency\n")
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables)
    place = Place(session(), stack.drops_bucket, stack.results_bucket, store)

    arrived = put_file(file, "catalog/a.csv", place, as_of=NOW)

    info = S3Objects(clients.s3).head(stack.drops_bucket, key="catalog/a.csv")
    assert (arrived.version_id, arrived.etag) == (info.version_id, info.etag)
    assert info.metadata == {"as-of": "2026-11-18T11:06:40Z"}
    assert len(arrived.drop_id) == 32
    body = boto3.client("s3").get_object(Bucket=stack.drops_bucket, Key="catalog/a.csv")["Body"]
    assert body.read() == file.read_bytes()


def at(state: str, **counts: int) -> Drop:
    """A drop at some point."""
    return Drop("d-1", "orders/a.csv", state, NOW, NOW, NOW, counts)  # type: ignore[arg-type]


def test_counts_are_shown_until_the_end() -> None:
    """Nothing before work begins, then what stands there at each look."""
    store, shown = MemoryStore(), []
    states = [
        at("RUNNING", records=5),
        at("RUNNING", records=5, folded=2),
        at("COMPLETE", folded=5),
    ]

    def sleep(seconds: float) -> None:
        assert seconds > 0
        store.write([Put(DROP.key("d-1"), states.pop(0), WHATEVER)], now=NOW)

    ended = follow("d-1", store, show=lambda counts: shown.append(dict(counts)), sleep=sleep)

    assert ended == at("COMPLETE", folded=5)
    assert shown == [{"records": 5}, {"records": 5, "folded": 2}, {"folded": 5}]


@pytest.mark.parametrize(
    ("known", "words"), [(None, "nobody has begun"), (at("RUNNING", folded=2), "2 folded")]
)
def test_waiting_ends(known: Drop | None, words: str) -> None:
    """A drop that does not end is given up with how far it was."""
    store, clock = MemoryStore(), FixedClock(0)
    if known is not None:
        store.write([Put(DROP.key("d-1"), known)], now=NOW)

    def sleep(seconds: float) -> None:
        assert seconds > 0
        clock.forward(MOST_SECONDS // 3)

    with pytest.raises(DropUnfinished, match=words):
        follow("d-1", store, show=lambda _: None, sleep=sleep, clock=clock)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "nowhere/"], "must begin with"),
        (["--to", "orders/", "--as-of", "soon"], "--as-of"),
        (["--to", "orders/", "--stage", "none"], "there is no stack segue-none"),
        ([], "--to"),
    ],
)
def test_a_command_that_cannot_work_says_why(
    aws: None, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Before anything is uploaded."""
    file = tmp_path / "a.csv"
    file.write_text("x\n")

    result = CliRunner().invoke(main, ["drop", str(file), *arguments])

    assert result.exit_code != 0
    assert words in result.output
