"""Whether a file is plain UTF-8 already, so that nothing has to be unpacked or written anew."""

from __future__ import annotations

import codecs
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def lies_plain(source: Path, *, most_bytes: int) -> bool:
    """Whether ``unpack`` would write these very bytes; never more than a chunk is in memory.

    False says nothing of what is wrong: that is for ``unpack`` to say.
    """
    if source.stat().st_size > most_bytes:
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    blank = first = True
    try:
        with source.open("rb") as file:
            while data := file.read(_CHUNK_BYTES):
                if b"\0" in data or (first and data.startswith(codecs.BOM_UTF8)):
                    return False
                first = False
                # ASCII needs no decoding, unless it stands where a character should go on.
                if decoder.getstate()[0] or not data.isascii():
                    text = decoder.decode(data)
                    blank = blank and not text.strip()
                else:
                    blank = blank and not data.strip()
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not blank
