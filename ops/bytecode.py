"""Bytecode that ships: what Python would otherwise compile anew at every cold start.

A cold start cannot keep what it compiles: ``/var/task`` is read-only. So every ``.py`` of the
package stands beside its ``.pyc``, which Python takes without looking at the source again
(PEP 552, unchecked hash). Another minor version does not even look for it, as its name says which
one it is for, and compiles the source. The source ships too: tracebacks quote its lines.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
from pathlib import PurePosixPath
from typing import Literal

TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
HEADER_BYTES = 16
# Bit 0: named by a hash of its source. Bit 1, unset: Python need not compute that hash again.
_UNCHECKED_HASH = (0b01).to_bytes(4, "little")
_WHERE_LAMBDA_UNZIPS = "/var/task/"

Fault = Literal["is missing", "is stale", "is for another Python", "is checked at every import"]


def bytecode_name(source_name: str) -> str:
    """Where Python looks for the bytecode of a source file: both are names within the zip."""
    path = PurePosixPath(source_name)
    return (path.parent / "__pycache__" / f"{path.stem}.{TAG}.pyc").as_posix()


def source_hash(source: bytes) -> bytes:
    """The eight bytes by which bytecode names the source that it was made from."""
    return importlib.util.source_hash(source)


def compile_source(source_name: str, source: bytes) -> bytes:
    """The bytecode file of one source file; equal sources give equal bytes, in any process.

    Raises SyntaxError.
    """
    where = _WHERE_LAMBDA_UNZIPS + source_name
    # marshal writes an object differently when it is interned or somebody else holds it too, which
    # depends on what this process has loaded. The strings that Python keeps one of are interned
    # first; compiled twice, every interned name is held by both.
    for kept in ("", *map(chr, range(256))):
        sys.intern(kept)
    twin, code = (compile(source, where, "exec", dont_inherit=True, optimize=0) for _ in range(2))
    body = marshal.dumps(code)
    del twin
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + source_hash(source) + body


def judge_header(header: bytes | None, *, hashed: bytes) -> Fault | None:
    """What is wrong with the first bytes of a bytecode file, given its source's hash."""
    if header is None:
        return "is missing"
    if header[:4] != importlib.util.MAGIC_NUMBER:
        return "is for another Python"
    if header[4:8] != _UNCHECKED_HASH:
        return "is checked at every import"
    return None if header[8:HEADER_BYTES] == hashed else "is stale"
