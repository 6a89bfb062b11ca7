"""Buckets and their in-memory twin: what every flow that reads or writes files relies on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.object_writer import PART_BYTES
from chalicelib.aws.objects import ListedObject, S3Objects
from chalicelib.core.errors import NotFound, Replaced
from ops.moto_in_turns import moto_in_turns
from tests.fakes import MemoryObjects

Either = MemoryObjects | S3Objects
BUCKET = "shop-files"
BODY = bytes(range(256)) * 20


@pytest.fixture(params=["memory", "moto"])
def objects(request: pytest.FixtureRequest, clients: Clients) -> Iterator[Either]:
    """Each in turn, with one empty bucket."""
    if request.param == "memory":
        yield MemoryObjects()
        return
    with moto_in_turns():
        clients.s3().create_bucket(Bucket=BUCKET)
        yield S3Objects(clients.s3)


@pytest.fixture
def etag(objects: Either) -> str:
    """The tag of an object with the key ``k``."""
    objects.put(BUCKET, key="k", body=BODY, content_type="text/csv")
    return objects.head(BUCKET, key="k").etag


@pytest.mark.parametrize(("start", "end"), [(0, 1), (7, 3000), (5119, 5120), (9, 9), (0, 5120)])
def test_a_range_is_what_lies_between_two_places(
    objects: Either, etag: str, tmp_path: Path, start: int, end: int
) -> None:
    """The first byte is in it and the last is not, on disk and as a stream; it may be empty."""
    objects.download_range(tmp_path / "x", bucket=BUCKET, key="k", start=start, end=end, etag=etag)

    assert (tmp_path / "x").read_bytes() == BODY[start:end]
    assert b"".join(objects.stream(BUCKET, key="k", start=start, end=end)) == BODY[start:end]


def test_without_places_it_is_everything(objects: Either, etag: str) -> None:
    """A stream brings all bytes in order, as does getting a small object."""
    assert b"".join(objects.stream(BUCKET, key="k", etag=etag)) == BODY
    assert objects.get(BUCKET, key="k") == BODY


def test_an_empty_object_is_read_as_nothing(objects: Either) -> None:
    """It has no first byte to ask for."""
    objects.put(BUCKET, key="none", body=b"", content_type="text/csv")

    assert list(objects.stream(BUCKET, key="none")) == []
    assert objects.get(BUCKET, key="none") == b""


def test_another_object_under_the_key_is_not_read(
    objects: Either, etag: str, tmp_path: Path
) -> None:
    """Ranges of one file are never ranges of two."""
    objects.put(BUCKET, key="k", body=BODY[:-1], content_type="text/csv")

    with pytest.raises(Replaced):
        list(objects.stream(BUCKET, key="k", etag=etag))
    with pytest.raises(Replaced):
        objects.download_range(tmp_path / "x", bucket=BUCKET, key="k", start=0, end=9, etag=etag)


def test_what_does_not_exist_is_not_found(objects: Either, tmp_path: Path) -> None:
    """However it is asked for."""
    with pytest.raises(NotFound):
        list(objects.stream(BUCKET, key="none"))
    with pytest.raises(NotFound):
        objects.get(BUCKET, key="none")
    with pytest.raises(NotFound):
        objects.download_range(tmp_path / "x", bucket=BUCKET, key="none", start=0, end=1)


def test_a_listing_names_what_begins_so_by_key(objects: Either) -> None:
    """With size and tag, more than fit into one answer, and nothing else."""
    keys = [f"parts/{number:05}" for number in range(1_003)]
    for key in [*reversed(keys), "other/1"]:
        objects.put(BUCKET, key=key, body=b"four", content_type="text/csv")

    found = list(objects.list(BUCKET, prefix="parts/"))

    assert [each.key for each in found] == keys
    assert found[0] == ListedObject(keys[0], 4, objects.head(BUCKET, key=keys[0]).etag)


@pytest.mark.parametrize("size", [0, 5, PART_BYTES, 2 * PART_BYTES + 5])
def test_what_is_written_is_the_object(objects: Either, size: int) -> None:
    """In however many parts it went, it has all bytes in order."""
    with objects.writer(BUCKET, key="w", content_type="text/csv") as writer:
        for start in range(0, size, 5_000_000):
            writer.write(bytes([start % 251]) * min(5_000_000, size - start))

    found = objects.get(BUCKET, key="w")
    assert len(found) == size
    assert all(found[at] == at // 5_000_000 * 5_000_000 % 251 for at in range(0, size, 999_983))


def test_nothing_is_there_before_a_writer_is_closed(objects: Either) -> None:
    """Nor after it failed."""
    writer = objects.writer(BUCKET, key="w", content_type="text/csv")
    writer.write(bytes(PART_BYTES + 1))

    with pytest.raises(NotFound):
        objects.get(BUCKET, key="w")
    writer.abort()
    with pytest.raises(NotFound):
        objects.get(BUCKET, key="w")


def test_what_is_taken_away_is_gone(objects: Either, etag: str) -> None:
    """That alone, and a second time as well: whoever is taken up does not know how far it was."""
    objects.put(BUCKET, key="k2", body=b"2", content_type="text/csv")
    for _ in range(2):
        objects.delete(BUCKET, key="k")

    assert [each.key for each in objects.list(BUCKET, prefix="k")] == ["k2"]
