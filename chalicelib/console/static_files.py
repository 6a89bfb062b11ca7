"""Scripts and stylesheets: named after their content, so that a browser may keep them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from chalicelib.console.page import OwnFile
from chalicelib.core.canonical import sha256_hex
from chalicelib.core.errors import NotFound

_FOLDER = Path(__file__).with_name("static")
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
SERVED = (
    *("console.css", "htmx.js", "charts.css", "charts.js"),
    *("vega.js", "vega-lite.js", "vega-embed.js", "uplot.js", "uplot.css"),
)


@cache
def served() -> dict[str, OwnFile]:
    """The files that a browser may ask for, each under its name with the hash of its content."""
    return {name_of(name): _file(name) for name in SERVED}


@cache
def name_of(name: str) -> str:
    """``console.css`` as it stands in an address: ``console-1f2e3d4c5b6a.css``."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}-{sha256_hex(_file(name).text.encode())[:12]}.{suffix}"


def find_file(name: str) -> OwnFile:
    """The file of this name; raises NotFound, also for the name of another version."""
    if name not in served():
        raise NotFound.of("file", "names no file of the console; reload the page")
    return served()[name]


@cache
def _file(name: str) -> OwnFile:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return OwnFile(text, _TYPES[name.rpartition(".")[2]])
