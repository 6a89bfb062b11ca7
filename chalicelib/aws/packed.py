"""Bodies in few bytes: what every decision record says anew stands in a dictionary that ships.

DynamoDB bills a write by the kilobyte, and a record of a kilobyte has little in it that the one
before had not: names of fields, hashes of the documents in force, reason codes. zlib takes such
text as a preset dictionary (RFC 1950, FDICT), and writes into each body which one was used, so a
body is read with the dictionary it was written with, and one from before there was any without.

A dictionary that was ever used must stay as it is: its bytes are the only key to those bodies. A
new one gets the next number and is used from then on; ``python -m ops dictionary`` makes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

# What new bodies are packed with; the ones before it are still read with theirs.
CURRENT = 1
# zlib's middle: with a dictionary the last levels cost twice the time and save two bytes.
_LEVEL = 6
_HAS_DICTIONARY = 0x20


class UnknownDictionary(ValueError):
    """A body was packed with a dictionary that this version does not have."""


def pack(body: bytes) -> bytes:
    """Compress a body; the same body gives the same bytes."""
    packing = zlib.compressobj(_LEVEL, zdict=_dictionary(CURRENT))
    return packing.compress(body) + packing.flush()


def unpack(packed: bytes) -> bytes:
    """Undo ``pack``, of this version or an earlier one.

    Raises:
        UnknownDictionary: packed by a later version.
        zlib.error: damaged.
    """
    if len(packed) < 6 or not packed[1] & _HAS_DICTIONARY:
        return zlib.decompress(packed)
    wanted = int.from_bytes(packed[2:6])
    try:
        unpacking = zlib.decompressobj(zdict=_by_checksum()[wanted])
    except KeyError:
        raise UnknownDictionary(f"packed with dictionary {wanted:08x}") from None
    text = unpacking.decompress(packed) + unpacking.flush()
    if not unpacking.eof:
        raise zlib.error("ends too early")
    return text


@cache
def _dictionary(number: int) -> bytes:
    return files(__package__).joinpath(f"dictionaries/{number}.txt").read_bytes()


@cache
def _by_checksum() -> Mapping[int, bytes]:
    """Every dictionary by the checksum that zlib writes into a body (Adler-32)."""
    known = (_dictionary(number) for number in range(1, CURRENT + 1))
    return {zlib.adler32(each): each for each in known}
