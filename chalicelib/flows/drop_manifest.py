"""``manifest.json``: the files of a drop that count, whether it was divided or not.

It is written last, and only for a drop that is COMPLETE: whoever takes the files that it lists
takes all of the result and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a drop's results.

    Attributes:
        name: its key without ``results/DROP_ID/``.
        rows: how many rows it holds, a header aside.
        bytes: its size.
        sha256: of its bytes, in hex.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


def result_file(path: Path, *, name: str, rows: int) -> ResultFile:
    """Describe a local file that becomes a result."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return ResultFile(name, rows, path.stat().st_size, digest.hexdigest())


def manifest_json(drop_id: str, files: Iterable[ResultFile]) -> bytes:
    """The manifest: equal results have equal manifests."""
    listed = [asdict(file) for file in sorted(files, key=lambda file: file.name)]
    return json.dumps({"drop_id": drop_id, "files": listed}, indent=2).encode() + b"\n"
