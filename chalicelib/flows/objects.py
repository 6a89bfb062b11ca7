"""What flows need of buckets; S3 is one way, and there is a twin in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from chalicelib.aws.objects import ListedObject, ObjectInfo


class Writer(Protocol):
    """An object on its way: it exists once it is closed, or not at all."""

    def write(self, data: bytes, /) -> object:
        """Take some more."""
        ...

    def close(self) -> None:
        """All has been written."""
        ...

    def abort(self) -> None:
        """It will never be."""
        ...


class Objects(Protocol):
    """Files in buckets: S3, and its in-memory twin."""

    def head(self, bucket: str, *, key: str, version_id: str | None = None) -> ObjectInfo:
        """What an object is; raises NotFound."""
        ...

    def download_to(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """An object's bytes onto a local path; raises NotFound, or Replaced when not ``etag``."""
        ...

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Bytes into an object."""
        ...

    def delete(self, bucket: str, *, key: str) -> None:
        """Take an object away, if it is there."""
        ...

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """A local file into an object."""
        ...

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
        """The bytes from ``start`` to before ``end`` onto a local path."""
        ...

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
        """An object's bytes as they come, from ``start`` to before ``end``."""
        ...

    def get(self, bucket: str, *, key: str) -> bytes:
        """The bytes of a small object."""
        ...

    def list(self, bucket: str, *, prefix: str) -> Iterator[ListedObject]:
        """The objects whose keys begin so, by key."""
        ...

    def writer(self, bucket: str, *, key: str, content_type: str) -> Writer:
        """Takes an object's bytes as they come."""
        ...
