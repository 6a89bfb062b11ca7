"""An object in S3 that is written as its bytes come, in parts: nothing of it lies on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import translated
from chalicelib.core.errors import SegueError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

# A failure repeats one part and not the object; ten thousand of them are the most that S3 takes.
PART_BYTES = 16 << 20


class ObjectWriter:
    """Takes the bytes of one object; it exists once ``close`` has returned, or not at all.

    As a context manager it closes at the end of the block, and aborts when the block fails: parts
    that nobody completes are stored and paid for.
    """

    def __init__(
        self, client: Callable[[], S3Client], named: dict[str, Any], *, content_type: str
    ) -> None:
        """Take the client and how a request names the object; nothing is sent yet."""
        self._client = client
        self._named = named
        self._content_type = content_type
        self._held = bytearray()
        self._parts: list[CompletedPartTypeDef] = []
        self._upload_id: str | None = None

    def write(self, data: bytes) -> None:
        """Take some bytes; sends a part once there is enough. Raises Transient or Broken."""
        self._held += data
        while len(self._held) >= PART_BYTES:
            part = bytes(self._held[:PART_BYTES])
            del self._held[:PART_BYTES]
            self._send(part)

    def close(self) -> None:
        """Let the object come into being; raises Transient or Broken, and aborts then."""
        try:
            if self._upload_id is None:
                with translated():
                    self._client().put_object(
                        Body=bytes(self._held), ContentType=self._content_type, **self._named
                    )
                return
            if self._held:
                self._send(bytes(self._held))
            with translated():
                self._client().complete_multipart_upload(
                    **self._named,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": self._parts},
                )
            self._upload_id = None
        except SegueError:
            self._give_up()
            raise

    def abort(self) -> None:
        """Throw away what was sent, unless the object is complete; raises Transient or Broken."""
        self._held.clear()
        upload_id, self._upload_id = self._upload_id, None
        if upload_id is not None:
            with translated():
                self._client().abort_multipart_upload(**self._named, UploadId=upload_id)

    def __enter__(self) -> ObjectWriter:
        """Write within the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, or abort when the block failed."""
        if kind is None:
            self.close()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """Abort where something else has failed, and that is what is told."""
        with suppress(SegueError):  # the bucket's lifecycle throws away what stays behind
            self.abort()

    def _send(self, part: bytes) -> None:
        with translated():
            if self._upload_id is None:
                self._upload_id = self._client().create_multipart_upload(
                    **self._named, ContentType=self._content_type
                )["UploadId"]
            number = len(self._parts) + 1
            answer = self._client().upload_part(
                **self._named, UploadId=self._upload_id, PartNumber=number, Body=part
            )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
