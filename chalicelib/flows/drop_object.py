"""What S3 says of a dropped object besides its bytes."""

from __future__ import annotations

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, parse_instant
from chalicelib.files.unpack import FileRefused

GONE = "file: was gone before it could be read; drop it again"
REPLACED_BEFORE = "file: was replaced before it could be read; the new one is a drop of its own"
REPLACED = "file: was replaced while it was read; the new one is a drop of its own"


def as_of_info(info: ObjectInfo, *, now: int) -> int:
    """When the file speaks: its ``as-of`` metadata, else when it was uploaded.

    Raises FileRefused for a moment that cannot be read or is to come.
    """
    stated = info.metadata.get("as-of")
    if stated is None:
        return info.last_modified
    try:
        moment = parse_instant(stated, field="as-of")
    except BadInput as error:
        raise FileRefused(*error.errors) from None
    if moment > now + CLOCK_SKEW_SECONDS:
        raise FileRefused.of("as-of", "lies in the future")
    return moment
