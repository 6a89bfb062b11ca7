"""Files in S3: what an object is, its bytes onto a local path, and local bytes into a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import translated
from chalicelib.aws.object_writer import PART_BYTES, ObjectWriter
from chalicelib.core.errors import Transient

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_DOWNLOADS = 4  # a broken stream is taken up where it broke
_CHUNK_BYTES = 1 << 20
_PARTIAL_CONTENT = 206
# One PUT up to here; above, parts, so that a failure repeats one part and not the file.
_SINGLE_PUT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What S3 says of an object without its bytes.

    Attributes:
        etag: the entity tag, without quotes.
        version_id: None in a bucket without versions.
        size: in bytes.
        metadata: what the uploader attached, names in lower case.
        last_modified: when it was put.
    """

    etag: str
    version_id: str | None
    size: int
    metadata: Mapping[str, str]
    last_modified: int


@dataclass(frozen=True, slots=True)
class ListedObject:
    """What a listing says of an object: its key, its size in bytes, its tag without quotes."""

    key: str
    size: int
    etag: str


class S3Objects:
    """Objects of buckets that belong to one account."""

    def __init__(self, client: Callable[[], S3Client], *, owner: str | None = None) -> None:
        """Take the client to use and, where it is known, the account that must own the buckets.

        A bucket name that somebody else registered after a deletion is then refused.
        """
        self._client = client
        self._owner: dict[str, Any] = {} if owner is None else {"ExpectedBucketOwner": owner}

    def head(self, bucket: str, *, key: str, version_id: str | None = None) -> ObjectInfo:
        """Ask what an object is; raises NotFound, Transient or Broken."""
        with translated():
            answer = self._client().head_object(**self._named(bucket, key, version_id))
        version = answer.get("VersionId")
        return ObjectInfo(
            etag=answer["ETag"].strip('"'),
            version_id=None if version == "null" else version,
            size=answer["ContentLength"],
            metadata=answer.get("Metadata", {}),
            last_modified=int(answer["LastModified"].timestamp()),
        )

    def download_to(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """Write an object's bytes to a local file; with ``etag``, those of no other object.

        A stream that breaks is taken up where it broke, three times, and only while the object
        is the same. Raises NotFound, Replaced, Transient or Broken.
        """
        request = self._named(bucket, key, version_id) | _while(etag)
        self._read(path, request, start=0, end=None)

    def download_range(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        start: int,
        end: int,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """Write the bytes from ``start`` up to, but not including, ``end`` to a local file.

        With ``etag`` only while the object is that one. As ``download_to`` otherwise.
        """
        if end <= start:
            path.write_bytes(b"")
            return
        request = self._named(bucket, key, version_id) | _while(etag)
        self._read(path, request, start=start, end=end)

    def stream(
        self,
        bucket: str,
        *,
        key: str,
        start: int = 0,
        end: int | None = None,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> Iterator[bytes]:
        """An object's bytes as they come: from ``start`` up to, but not including, ``end``.

        A stream that breaks is taken up where it broke, and only while the object is the same;
        three times where it breaks at one byte, and as often as it breaks farther on. What was
        passed on before a checksum failed cannot be taken back: unlike a download it ends then.
        Raises NotFound, Transient or Broken.
        """
        request = self._named(bucket, key, version_id) | _while(etag)
        at, expected, remaining = start, end, _DOWNLOADS
        while at != expected:
            begun = at
            try:
                with translated():
                    answer = self._client().get_object(**request, **_range(at, end))
                    expected, chunks = _part_of(answer, at, end)
                    request["IfMatch"] = answer["ETag"]
                while (chunk := _next(chunks)) is not None:
                    at += len(chunk)
                    yield chunk
            except Transient:
                remaining = _DOWNLOADS - 1 if at > begun else remaining - 1
                if not remaining or at == expected:
                    raise

    def get(self, bucket: str, *, key: str) -> bytes:
        """The bytes of a small object; raises NotFound, Transient or Broken."""
        with translated():
            answer = self._client().get_object(**self._named(bucket, key, None))
            return answer["Body"].read()

    def list(self, bucket: str, *, prefix: str) -> Iterator[ListedObject]:
        """The objects whose keys begin with a prefix, by key; raises Transient or Broken."""
        request: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, **self._owner}
        while True:
            with translated():
                answer = self._client().list_objects_v2(**request)
            for each in answer.get("Contents", []):
                yield ListedObject(each["Key"], each["Size"], each["ETag"].strip('"'))
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def writer(self, bucket: str, *, key: str, content_type: str) -> ObjectWriter:
        """Take an object's bytes as they come: nothing of it lies on disk."""
        return ObjectWriter(
            self._client, {"Bucket": bucket, "Key": key, **self._owner}, content_type=content_type
        )

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Store bytes as an object; raises Transient or Broken."""
        with translated():
            self._client().put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=content_type, **self._owner
            )

    def delete(self, bucket: str, *, key: str) -> None:
        """Take an object away, if it is there; raises Transient or Broken."""
        with translated():
            self._client().delete_object(Bucket=bucket, Key=key, **self._owner)

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """Store a local file as an object, in parts above 64 MiB; raises Transient or Broken."""
        if path.stat().st_size > _SINGLE_PUT_BYTES:
            with (
                path.open("rb") as file,
                self.writer(bucket, key=key, content_type=content_type) as writer,
            ):
                while part := file.read(PART_BYTES):
                    writer.write(part)
            return
        with path.open("rb") as file, translated():
            self._client().put_object(
                Bucket=bucket, Key=key, Body=file, ContentType=content_type, **self._owner
            )

    def _read(self, path: Path, request: dict[str, Any], *, start: int, end: int | None) -> None:
        """Write a range, or all from ``start`` on, taking a broken stream up where it broke."""
        expected = 0
        with path.open("wb") as file:
            for remaining in reversed(range(_DOWNLOADS)):
                try:
                    with translated():
                        answer = self._client().get_object(
                            **request, **_range(start + file.tell(), end)
                        )
                        until, chunks = _part_of(answer, start + file.tell(), end)
                        expected = until - start
                        request["IfMatch"] = answer["ETag"]
                        for chunk in chunks:
                            file.write(chunk)
                except Transient:
                    if not remaining:
                        raise
                    if file.tell() >= expected:  # all came, and its checksum did not hold
                        file.seek(0)
                        file.truncate()
                else:
                    return

    def _named(self, bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
        version = {} if version_id is None else {"VersionId": version_id}
        return {"Bucket": bucket, "Key": key, **version, **self._owner}


def _while(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"IfMatch": f'"{etag}"'}


def _range(start: int, end: int | None) -> dict[str, Any]:
    """All of an object is asked for without a range: an empty one has none."""
    if end is None:
        return {"Range": f"bytes={start}-"} if start else {}
    return {"Range": f"bytes={start}-{end - 1}"}


def _part_of(answer: Any, start: int, end: int | None) -> tuple[int, Iterator[bytes]]:
    """Where the bytes that come will end, and the bytes from ``start`` on.

    A server may ignore that a part was asked for, and send everything (RFC 9110, 14.2).
    """
    body, length = answer["Body"], answer["ContentLength"]
    chunks = body.iter_chunks(_CHUNK_BYTES)
    is_part = answer["ResponseMetadata"]["HTTPStatusCode"] == _PARTIAL_CONTENT
    if is_part or (not start and end is None):
        return start + length, chunks
    until = length if end is None else min(end, length)
    return until, _between(body, chunks, start, until)


def _between(body: Any, chunks: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    """The bytes from ``start`` to before ``end``; the others are passed over, or not waited for."""
    at = 0
    for chunk in chunks:
        wanted = chunk[max(start - at, 0) : max(end - at, 0)]
        at += len(chunk)
        if wanted:
            yield wanted
        if at >= end:
            body.close()
            return


def _next(chunks: Iterator[bytes]) -> bytes | None:
    with translated():
        return next(chunks, None)
