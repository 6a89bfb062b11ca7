"""Files in S3: what an object is, its bytes onto a local path, and local bytes into a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import translated
from chalicelib.core.errors import Transient

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_DOWNLOADS = 4  # a broken stream is taken up where it broke
_CHUNK_BYTES = 1 << 20
# One PUT up to here; above, parts, so that a failure repeats one part and not the file.
_SINGLE_PUT_BYTES = 64 << 20
_PART_BYTES = 16 << 20


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
        self, path: Path, *, bucket: str, key: str, version_id: str | None = None
    ) -> None:
        """Write an object's bytes to a local file.

        A stream that breaks is taken up where it broke, three times, and only while the object
        is the same. Raises NotFound, Transient or Broken.
        """
        request = self._named(bucket, key, version_id)
        expected = 0
        with path.open("wb") as file:
            for remaining in reversed(range(_DOWNLOADS)):
                try:
                    with translated():
                        answer = self._client().get_object(**request)
                        expected = file.tell() + answer["ContentLength"]
                        request["IfMatch"] = answer["ETag"]
                        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                            file.write(chunk)
                except Transient:
                    if not remaining:
                        raise
                    if file.tell() >= expected:  # all came, and its checksum did not hold
                        file.seek(0)
                        file.truncate()
                    request["Range"] = f"bytes={file.tell()}-"
                else:
                    return

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

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Store bytes as an object; raises Transient or Broken."""
        with translated():
            self._client().put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=content_type, **self._owner
            )

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """Store a local file as an object, in parts above 64 MiB; raises Transient or Broken."""
        if path.stat().st_size > _SINGLE_PUT_BYTES:
            self._upload_in_parts(path, bucket=bucket, key=key, content_type=content_type)
            return
        with path.open("rb") as file, translated():
            self._client().put_object(
                Bucket=bucket, Key=key, Body=file, ContentType=content_type, **self._owner
            )

    def _upload_in_parts(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        client = self._client()
        with translated():
            upload_id = client.create_multipart_upload(
                Bucket=bucket, Key=key, ContentType=content_type, **self._owner
            )["UploadId"]
        named = {"Bucket": bucket, "Key": key, "UploadId": upload_id, **self._owner}
        parts: list[CompletedPartTypeDef] = []
        complete = False
        try:
            with path.open("rb") as file, translated():
                while part := file.read(_PART_BYTES):
                    number = len(parts) + 1
                    answer = client.upload_part(**named, PartNumber=number, Body=part)
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
            complete = True
        finally:
            if not complete:  # parts that nobody completes are stored and paid for
                with translated():
                    client.abort_multipart_upload(**named)

    def _named(self, bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
        version = {} if version_id is None else {"VersionId": version_id}
        return {"Bucket": bucket, "Key": key, **version, **self._owner}
