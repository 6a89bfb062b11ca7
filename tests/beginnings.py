"""``MemoryBeginnings``, the in-memory twin of ``S3Beginnings``."""

from __future__ import annotations

from chalicelib.core.ports import Beginning
from tests.fakes import MemoryObjects


class MemoryBeginnings:
    """As ``S3Beginnings``, over the buckets of a ``MemoryObjects``."""

    def __init__(self, objects: MemoryObjects, bucket: str) -> None:
        """Take the buckets, and which of them."""
        self._objects = objects
        self._bucket = bucket

    def read(self, key: str, *, most_bytes: int) -> Beginning:
        """As ``S3Beginnings.read``."""
        size = self._objects.head(self._bucket, key=key).size
        return Beginning(self._objects.body(self._bucket, key)[:most_bytes], size)
