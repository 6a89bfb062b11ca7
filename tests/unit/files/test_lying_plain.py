"""A file is read as it is exactly where unpacking it would change nothing."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.files import lying_plain
from chalicelib.files.lying_plain import lies_plain
from chalicelib.files.unpack import FileRefused, unpack

_PIECES = st.sampled_from(
    [
        b"a,b\n",
        b" ",
        b"\n",
        b"\xef\xbb\xbf",
        "é".encode(),
        "日".encode(),
        b"\xc3",
        b"\xff",
        b"\0",
        b"x",
    ]
)


@given(pieces=st.lists(_PIECES, max_size=8), most_bytes=st.sampled_from([4, 1_000]))
def test_what_lies_plain_is_what_unpacking_gives(pieces: list[bytes], most_bytes: int) -> None:
    """Whatever the bytes, and wherever a piece ends: yes exactly for those that unpack keeps."""
    data = b"".join(pieces)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lying_plain, "_CHUNK_BYTES", 3)
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_bytes(data)
        try:
            unpack(source, target, compressed=False, encoding="utf-8", most_bytes=most_bytes)
            same = target.read_bytes() == data
        except FileRefused:
            same = False

        assert lies_plain(source, most_bytes=most_bytes) == same
