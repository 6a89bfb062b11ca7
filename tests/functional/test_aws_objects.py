"""Files in S3: on moto what is stored, on a server of our own a stream that breaks."""

from __future__ import annotations

from os import SEEK_END
from pathlib import Path

import boto3
import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.object_writer import PART_BYTES
from chalicelib.aws.objects import S3Objects
from chalicelib.core.errors import Broken, NotFound, Replaced, Transient
from tests.loopback import Bytes, Loopback, Reaction, Request, in_turn
from tests.stack import Stack

CONTENT = bytes(range(256)) * 8192  # two chunks of a download
ETAG = {"ETag": '"abc"', "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}


def test_an_object_tells_what_it_is(stack: Stack, clients: Clients) -> None:
    """Head returns size, entity tag, version, upload time and the uploader's metadata."""
    s3 = boto3.client("s3", "us-east-1")
    put = s3.put_object(
        Bucket=stack.drops_bucket, Key="orders/x.csv", Body=b"abc", Metadata={"as-of": "1997"}
    )

    info = S3Objects(clients.s3).head(stack.drops_bucket, key="orders/x.csv")

    assert info.size == 3
    assert info.etag == put["ETag"].strip('"')
    assert info.version_id == put["VersionId"]
    assert info.metadata == {"as-of": "1997"}
    assert info.last_modified > 1_700_000_000


def test_an_absent_object_is_not_found(stack: Stack, clients: Clients, tmp_path: Path) -> None:
    """Head and download of what does not exist raise NotFound."""
    objects = S3Objects(clients.s3)

    with pytest.raises(NotFound):
        objects.head(stack.drops_bucket, key="orders/none.csv")
    with pytest.raises(NotFound):
        objects.download_to(tmp_path / "x", bucket=stack.drops_bucket, key="orders/none.csv")


def test_a_version_is_downloaded_and_not_its_successor(
    stack: Stack, clients: Clients, tmp_path: Path
) -> None:
    """A download by version brings that version's bytes after the object was overwritten."""
    objects, bucket = S3Objects(clients.s3), stack.drops_bucket
    objects.put(bucket, key="k", body=b"first", content_type="text/csv")
    version_id = objects.head(bucket, key="k").version_id
    objects.put(bucket, key="k", body=b"second", content_type="text/csv")

    objects.download_to(tmp_path / "x", bucket=bucket, key="k", version_id=version_id)

    assert (tmp_path / "x").read_bytes() == b"first"


def test_another_object_is_not_downloaded_in_place_of_the_one_that_was_named(
    stack: Stack, clients: Clients, tmp_path: Path
) -> None:
    """With an entity tag the bytes are that object's, or the download raises Replaced."""
    objects, bucket = S3Objects(clients.s3), stack.drops_bucket
    objects.put(bucket, key="k", body=b"first", content_type="text/csv")
    etag = objects.head(bucket, key="k").etag
    objects.download_to(tmp_path / "x", bucket=bucket, key="k", etag=etag)
    objects.put(bucket, key="k", body=b"second", content_type="text/csv")

    with pytest.raises(Replaced):
        objects.download_to(tmp_path / "y", bucket=bucket, key="k", etag=etag)

    assert (tmp_path / "x").read_bytes() == b"first"


def test_a_file_is_uploaded_with_its_type(stack: Stack, clients: Clients, tmp_path: Path) -> None:
    """A small file is one object with the content type it was given."""
    (tmp_path / "scores.csv").write_bytes(b"a,b\n")

    S3Objects(clients.s3).upload(
        tmp_path / "scores.csv", bucket=stack.results_bucket, key="r/scores.csv",
        content_type="text/csv",
    )  # fmt: skip

    answer = boto3.client("s3", "us-east-1").get_object(
        Bucket=stack.results_bucket, Key="r/scores.csv"
    )
    assert (answer["Body"].read(), answer["ContentType"]) == (b"a,b\n", "text/csv")


def test_a_large_file_goes_up_in_parts(stack: Stack, clients: Clients, tmp_path: Path) -> None:
    """A file above 64 MiB arrives whole, in parts of 16 MiB."""
    size = (64 << 20) + 5
    with (tmp_path / "big").open("wb") as file:
        file.write(b"first")
        file.truncate(size - 4)
        file.seek(0, SEEK_END)
        file.write(b"last")

    S3Objects(clients.s3).upload(
        tmp_path / "big", bucket=stack.results_bucket, key="big", content_type="text/csv"
    )

    answer = boto3.client("s3", "us-east-1").get_object(Bucket=stack.results_bucket, Key="big")
    body = answer["Body"].read()
    assert answer["ETag"].endswith('-5"')
    assert (len(body), body[:5], body[-4:]) == (size, b"first", b"last")


def test_parts_of_a_failed_upload_are_thrown_away(tmp_path: Path) -> None:
    """An upload whose part is refused is aborted, because stored parts are paid for."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate((64 << 20) + 1)

    def refuse_parts(request: Request) -> Reaction:
        match request.method:
            case "POST":
                return Bytes(b"<Result><UploadId>u-1</UploadId></Result>")
            case "PUT":
                return Bytes(b"<Error><Code>AccessDenied</Code></Error>", status=403)
        return Bytes(b"", status=204)

    with Loopback(refuse_parts) as server, pytest.raises(Broken, match="AccessDenied"):
        S3Objects(Clients(endpoint_url=server.url).s3).upload(
            tmp_path / "big", bucket="b", key="k", content_type="text/csv"
        )

    assert [request.method for request in server.requests] == ["POST", "PUT", "DELETE"]


def _slice(request: Request) -> tuple[bytes, int]:
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    return CONTENT[start:], start


def test_a_broken_stream_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    """A download that breaks goes on from the byte it reached, while the object is the same."""

    def break_once(request: Request) -> Reaction:
        rest, start = _slice(request)
        if start == 0:
            return Bytes(rest, ETAG, sent=(1 << 20) + 7)
        return Bytes(rest, ETAG, status=206)

    with Loopback(break_once) as server:
        S3Objects(Clients(endpoint_url=server.url).s3).download_to(
            tmp_path / "x", bucket="b", key="k"
        )

    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.requests[1].headers["If-Match"] == '"abc"'
    assert server.requests[1].headers["Range"] == f"bytes={(1 << 20) + 7}-"


def test_a_damaged_download_begins_again(tmp_path: Path) -> None:
    """Bytes whose checksum does not hold are thrown away, and the whole object is asked for."""
    damaged = Bytes(b"bytes that were damaged", {**ETAG, "x-amz-checksum-crc32": "AAAAAA=="})

    with Loopback(in_turn(damaged, Bytes(CONTENT, ETAG))) as server:
        S3Objects(Clients(endpoint_url=server.url).s3).download_to(
            tmp_path / "x", bucket="b", key="k"
        )

    assert (tmp_path / "x").read_bytes() == CONTENT
    assert "Range" not in server.requests[1].headers


def test_a_stream_that_keeps_breaking_is_transient(tmp_path: Path) -> None:
    """A download that breaks four times raises Transient, and the queue redelivers."""
    with Loopback(in_turn(Bytes(CONTENT, ETAG, sent=10))) as server, pytest.raises(Transient):
        S3Objects(Clients(endpoint_url=server.url).s3).download_to(
            tmp_path / "x", bucket="b", key="k"
        )

    assert len(server.requests) == 4


def test_a_stream_is_taken_up_where_it_broke() -> None:
    """Bytes come once each, however often it breaks, as long as it gets farther."""

    def break_often(request: Request) -> Reaction:
        rest, _ = _slice(request)
        return Bytes(rest, ETAG, status=206, sent=400_000)

    with Loopback(break_often) as server:
        chunks = S3Objects(Clients(endpoint_url=server.url).s3).stream("b", key="k", etag="abc")
        found = b"".join(chunks)

    assert found == CONTENT
    assert len(server.requests) > 4
    assert {request.headers["If-Match"] for request in server.requests} == {'"abc"'}


def test_a_stream_that_gets_nowhere_is_transient() -> None:
    """One that breaks four times at the same byte raises Transient."""
    with Loopback(in_turn(Bytes(CONTENT, ETAG, sent=0))) as server, pytest.raises(Transient):
        list(S3Objects(Clients(endpoint_url=server.url).s3).stream("b", key="k"))

    assert len(server.requests) == 4


def test_a_stream_whose_checksum_fails_ends() -> None:
    """What was passed on cannot be taken back, so nothing comes after it."""
    damaged = Bytes(b"bytes that were damaged", {**ETAG, "x-amz-checksum-crc32": "AAAAAA=="})

    with Loopback(in_turn(damaged)) as server, pytest.raises(Transient):
        list(S3Objects(Clients(endpoint_url=server.url).s3).stream("b", key="k"))

    assert len(server.requests) == 1


def test_a_broken_range_is_taken_up_within_it(tmp_path: Path) -> None:
    """Of a range, too, only what is missing is asked for again."""

    def break_once(request: Request) -> Reaction:
        start, last = map(int, request.headers["Range"][6:].split("-"))
        return Bytes(
            CONTENT[start : last + 1], ETAG, status=206, sent=1_000 if start == 5 else None
        )

    with Loopback(break_once) as server:
        S3Objects(Clients(endpoint_url=server.url).s3).download_range(
            tmp_path / "x", bucket="b", key="k", start=5, end=300_000
        )

    assert (tmp_path / "x").read_bytes() == CONTENT[5:300_000]
    assert [each.headers["Range"] for each in server.requests] == [
        "bytes=5-299999",
        "bytes=1005-299999",
    ]


@pytest.mark.parametrize(("start", "end"), [(0, 9), (5, 300_000), ((1 << 20) + 3, 2 << 20)])
def test_a_server_may_send_more_than_the_range(tmp_path: Path, start: int, end: int) -> None:
    """Where a server answers with the whole object, the range is taken out of it."""
    whole = CONTENT * 2
    with Loopback(in_turn(Bytes(whole, ETAG))) as server:
        objects = S3Objects(Clients(endpoint_url=server.url).s3)
        objects.download_range(tmp_path / "x", bucket="b", key="k", start=start, end=end)
        streamed = b"".join(objects.stream("b", key="k", start=start, end=end))

    assert (tmp_path / "x").read_bytes() == streamed == whole[start:end]


def test_a_written_object_in_parts_that_fails_is_thrown_away() -> None:
    """When the block of a writer fails after a part was sent, the upload is aborted."""

    def take_parts(request: Request) -> Reaction:
        match request.method:
            case "POST":
                return Bytes(b"<Result><UploadId>u-1</UploadId></Result>")
            case "PUT":
                return Bytes(b"", {"ETag": '"p"'})
        return Bytes(b"", status=204)

    def fail_on_the_way(objects: S3Objects) -> None:
        with objects.writer("b", key="k", content_type="text/csv") as writer:
            writer.write(bytes(PART_BYTES + 1))
            raise ValueError("no more")

    with Loopback(take_parts) as server, pytest.raises(ValueError, match="no more"):
        fail_on_the_way(S3Objects(Clients(endpoint_url=server.url).s3))

    assert [request.method for request in server.requests] == ["POST", "PUT", "DELETE"]


def test_what_failed_is_told_and_not_that_the_clean_up_failed_too() -> None:
    """An upload that may be completed after all is worth another try, as its error says."""

    def lose_the_end(request: Request) -> Reaction:
        match request.method, "uploadId" in request.operation:
            case "POST", False:
                return Bytes(b"<Result><UploadId>u-1</UploadId></Result>")
            case "PUT", _:
                return Bytes(b"", {"ETag": '"p"'})
            case "DELETE", _:
                return Bytes(b"<Error><Code>NoSuchUpload</Code></Error>", status=404)
        return Bytes(b"<Error><Code>SlowDown</Code></Error>", status=503)

    with Loopback(lose_the_end) as server:
        writer = S3Objects(Clients(endpoint_url=server.url).s3).writer(
            "b", key="k", content_type="text/csv"
        )
        writer.write(bytes(PART_BYTES + 1))
        with pytest.raises(Transient, match="SlowDown"):
            writer.close()

    assert server.requests[-1].method == "DELETE"


def test_the_owner_of_the_bucket_is_checked_where_it_is_known(tmp_path: Path) -> None:
    """With an owner given, every request names the account that must own the bucket."""
    with Loopback(in_turn(Bytes(b"", ETAG))) as server:
        objects = S3Objects(Clients(endpoint_url=server.url).s3, owner="000000000000")
        objects.put("b", key="k", body=b"x", content_type="text/csv")
        objects.download_to(tmp_path / "x", bucket="b", key="k")

    assert [r.headers["x-amz-expected-bucket-owner"] for r in server.requests] == [
        "000000000000"
    ] * 2
