"""The beginning of a file in S3, for somebody who wants to look at it: one request, few bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.aws.errors import translated
from chalicelib.core.ports import Beginning

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3Beginnings:
    """Reads the first bytes of objects in one bucket."""

    def __init__(self, client: Callable[[], S3Client], *, bucket: str) -> None:
        """Take the client to use and the bucket."""
        self._client = client
        self._bucket = bucket

    def read(self, key: str, *, most_bytes: int) -> Beginning:
        """At most so many bytes, and how many there are; raises NotFound, Transient or Broken."""
        with translated():
            answer = self._client().get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes=0-{most_bytes - 1}"
            )
            body = answer["Body"].read()
        total = answer.get("ContentRange", "").rpartition("/")[2]
        return Beginning(body, int(total) if total.isdigit() else len(body))
