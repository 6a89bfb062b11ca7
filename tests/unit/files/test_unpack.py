"""Bytes to text: whatever cannot be read as a whole is refused as a whole, in little memory."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from chalicelib.files.unpack import FileRefused, unpack


def unpacked(
    folder: Path,
    body: bytes,
    *,
    compressed: bool = False,
    encoding: str = "utf-8",
    most_bytes: int = 10_000_000,
) -> str:
    """The text of some bytes."""
    source, target = folder / "source", folder / "target"
    source.write_bytes(body)
    unpack(source, target, compressed=compressed, encoding=encoding, most_bytes=most_bytes)
    return target.read_bytes().decode()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Größe;5\r\n".encode(), "utf-8"),
        ("\ufeffGröße;5\r\n".encode(), "utf-8"),
        ("Größe;5\r\n".encode("latin-1"), "latin-1"),
        ("Größe;5\r\n".encode("cp1252"), "cp1252"),
        ("Größe;5\r\n".encode("utf-16"), "utf-16"),
    ],
)
def test_text_comes_out_as_it_was_written(tmp_path: Path, body: bytes, encoding: str) -> None:
    """Every encoding that a mapping may name, byte-order marks dropped, line ends kept."""
    assert unpacked(tmp_path, body, encoding=encoding) == "Größe;5\r\n"


def test_a_character_across_two_chunks_is_one_character(tmp_path: Path) -> None:
    """Text is decoded across the chunks in which it is read."""
    text = "x" * ((1 << 20) - 1) + "é" + "y" * 10

    assert unpacked(tmp_path, text.encode()) == text


def test_gzip_of_several_members_is_one_text(tmp_path: Path) -> None:
    """Concatenated gzip files are a gzip file, as tools that append write them."""
    body = gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b\n")

    assert unpacked(tmp_path, body, compressed=True) == "a\nb\n"


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        (b"", {}, "is empty"),
        (b" \r\n\t\n", {}, "is empty"),
        ("\ufeff\n".encode(), {}, "is empty"),
        (gzip.compress(b"", mtime=0), {"compressed": True}, "is empty"),
        (b"a\xffb", {}, "is not utf-8: byte 0xff cannot be decoded"),
        (b"a\xc3", {}, "is not utf-8"),
        (b"abc", {"encoding": "utf-16"}, "is not utf-16"),
        ("a,b\n".encode("utf-16-le"), {}, "holds NUL characters"),
        (b"abc", {"encoding": "klingon"}, "klingon is no encoding that we know"),
        (b"plain", {"compressed": True}, "damaged or truncated gzip"),
        (
            gzip.compress(b"x" * 999, mtime=0)[:-8],
            {"compressed": True},
            "damaged or truncated gzip",
        ),
        (
            gzip.compress(b"x" * 999, mtime=0)[:20],
            {"compressed": True},
            "damaged or truncated gzip",
        ),
        (gzip.compress(b"x", mtime=0) + b"junk", {"compressed": True}, "damaged or truncated gzip"),
        (b"x" * 101, {"most_bytes": 100}, "is larger than 100 bytes when unpacked"),
    ],
)
def test_what_is_no_text_is_refused(
    tmp_path: Path, body: bytes, options: dict[str, int], words: str
) -> None:
    """Each cause has its own words, which never quote what the file holds."""
    with pytest.raises(FileRefused, match=words):
        unpacked(tmp_path, body, **options)  # type: ignore[arg-type]


def test_a_bomb_costs_little_memory(tmp_path: Path) -> None:
    """A hundred million zeros in a hundred kilobytes stop at the limit, chunk by chunk."""
    bomb = gzip.compress(b"0" * 100_000_000, compresslevel=1, mtime=0)

    tracemalloc.start()
    try:
        with pytest.raises(FileRefused, match="larger than"):
            unpacked(tmp_path, bomb, compressed=True, most_bytes=5_000_000)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 10_000_000
