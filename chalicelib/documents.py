"""The documents that ship beside the code: the policy, the table of law, mappings and the model.

They lie next to ``app.py``, in a checkout and in the package alike. A checkout holds TOML, which
people write; the package holds the same as canonical JSON, which parses in a twentieth of the
time. Both give one document, so both give one hash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chalicelib.core.canonical import content_hash
from chalicelib.core.errors import BadInput, Broken
from chalicelib.core.law import Jurisdictions
from chalicelib.core.policy import Policy, policy_from_json

ROOT = Path(__file__).resolve().parent.parent
POLICIES = "policies"
MODELS = "model_artifacts"


@dataclass(frozen=True)
class Documents:
    """Reads what ships; ``root`` is the directory that holds ``app.py``."""

    root: Path = ROOT

    def policy(self, name: str) -> Policy:
        """The policy of this name; raises Broken when it is missing or does not validate."""
        try:
            return policy_from_json(self._read(name))
        except BadInput as error:
            raise Broken(f"{POLICIES}/{name}: {error}") from None

    @cached_property
    def jurisdictions(self) -> Jurisdictions:
        """The table of law; raises Broken when it is missing or does not validate."""
        try:
            return Jurisdictions.model_validate(self._read("jurisdictions"))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise Broken(f"{POLICIES}/jurisdictions: {where}: {first['msg']}") from None

    @cached_property
    def jurisdictions_hash(self) -> str:
        """``sha256:…`` of the table's canonical form."""
        return content_hash(self.jurisdictions.model_dump(mode="json"))

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """The mapping of a legacy export, as written; None when there is none of this name."""
        # The name comes from an object's key: only names that we know ever become a path.
        if name not in self.mapping_names:
            return None
        return self._read(f"mappings/{name}")

    @cached_property
    def mapping_names(self) -> tuple[str, ...]:
        """The mappings that there are."""
        folder = self.root / POLICIES / "mappings"
        return tuple(sorted({path.stem for path in folder.glob("*") if path.suffix in _PARSERS}))

    def model(self, name: str) -> Path:
        """The directory of a packaged model; the loader says what is wrong with it."""
        return self.root / MODELS / name

    def _read(self, name: str) -> Mapping[str, Any]:
        path = self._find(name)
        if path is None:
            raise Broken(f"{POLICIES}/{name}.toml is neither in the checkout nor in the package")
        return _parse(path)

    def _find(self, name: str) -> Path | None:
        # TOML first: where both lie, the JSON is what an earlier build left behind.
        candidates = (self.root / POLICIES / f"{name}{suffix}" for suffix in _PARSERS)
        return next((path for path in candidates if path.is_file()), None)


def _parse_toml(text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  (a package holds JSON alone, so its cold start needs no TOML)

    return tomllib.loads(text)


_PARSERS: Mapping[str, Callable[[str], Any]] = {".toml": _parse_toml, ".json": json.loads}


def _parse(path: Path) -> Mapping[str, Any]:
    """Decode a document; raises Broken when it is not what its name says."""
    try:
        document: Mapping[str, Any] = _PARSERS[path.suffix](path.read_text())
    except (ValueError, OSError) as error:
        raise Broken(f"{path.name} is unreadable: {error}") from None
    return document
