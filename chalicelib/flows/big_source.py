"""The dropped object, while many read it: whether it is still the one that was planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.core.errors import Transient
from chalicelib.files.unpack import FileRefused
from chalicelib.flows.big_work import Task


@contextmanager
def unless_replaced(task: Task) -> Iterator[None]:
    """Refuse the file where a read failed because another one has taken its place.

    Only a bucket without versions lets that happen. Raises FileRefused, NotFound or Transient.
    """
    try:
        yield
    except Transient:
        arrived = task.arrived
        info = task.ports.objects.head(
            arrived.bucket, key=arrived.key, version_id=arrived.version_id
        )
        if info.etag != arrived.etag:
            raise FileRefused.of("file", "was replaced while it was worked on") from None
        raise
