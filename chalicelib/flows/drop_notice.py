"""What S3 says of a dropped object, and the name of the drop that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Arrived:
    """One object that was dropped."""

    bucket: str
    key: str
    version_id: str | None
    etag: str

    @property
    def drop_id(self) -> str:
        """First 32 hex digits of sha256 over bucket, key and version (or ETag), by newlines."""
        named = "\n".join((self.bucket, self.key, self.version_id or self.etag))
        return sha256_hex(named.encode())[:32]


def read_notification(body: str) -> list[Arrived]:
    """The objects that an S3 notification names; none for the test event of a new bucket.

    Raises BadInput for anything else.
    """
    try:
        said = json.loads(body)
        if said.get("Event") == "s3:TestEvent":
            return []
        arrived = [_arrived(record["s3"]) for record in said["Records"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput.of("body", "is no S3 notification") from None
    # A console marks a folder by an object without a name.
    return [each for each in arrived if not each.key.endswith("/")]


def _arrived(said: Mapping[str, Any]) -> Arrived:
    named = said["object"]
    return Arrived(
        bucket=said["bucket"]["name"],
        key=unquote_plus(named["key"]),
        version_id=named.get("versionId"),
        etag=str(named["eTag"]).strip('"'),
    )
