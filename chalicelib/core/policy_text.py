"""A policy as a person hands it in: TOML, or the JSON that the interface takes."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from chalicelib.core.errors import BadInput


def document_of(text: str) -> Any:
    """Decode a policy's text, JSON where it begins with a brace; raises BadInput."""
    if text.lstrip().startswith("{"):
        try:
            return from_json(text)
        except ValueError as error:
            raise BadInput.of("policy", f"is not JSON: {error}") from None
    import tomllib  # noqa: PLC0415  (a package holds JSON alone, so its cold start needs no TOML)

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput.of("policy", f"is not TOML: {error}") from None
    except RecursionError:
        raise BadInput.of("policy", "is nested too deeply") from None
