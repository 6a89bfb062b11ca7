"""The staging directory: exactly what ships, laid out the way Chalice packs it.

Chalice packs ``app.py``, ``chalicelib/`` and ``vendor/``, and everything in them. The checkout
holds more (bytecode, plots, joblib files) and less (policies are TOML there, and parse in 24 ms;
as JSON they take one). So the package is built from a directory that is made anew each time::

    app.py  chalicelib/            as in the checkout, without bytecode
    requirements.txt               the lock of the chosen engine
    .chalice/                      configuration, policies, merge template
    vendor/policies/*.json         compiled, canonical: policies/ at the root of the zip
    vendor/model_artifacts/NAME-VERSION/  the files that the manifest says ship

A symlinked ``vendor/`` in the checkout could hold neither the compiled policies nor a choice by
engine, and would ship whatever a build left behind.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any, Literal

from chalicelib.challenging import load_challengers
from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.law import Jurisdictions
from chalicelib.core.policy import policy_from_toml
from chalicelib.documents import Documents
from chalicelib.scoring.manifest import (
    MANIFEST_FILE,
    read_bytes,
    read_listed,
    read_manifest,
    shipped_files,
)
from ops.bytecode import RUNTIME

Engine = Literal["portable", "joblib"]
LOCKS: Mapping[Engine, str] = {
    "portable": "requirements.txt",
    "joblib": "requirements-joblib.txt",
}
_LAYOUT = 2  # count it up when the packager makes something else of the same inputs
_WITHOUT_BYTECODE = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True)
class Build:
    """What to build.

    Attributes:
        engine: which scorer serves, and so which lock and which model files ship.
        model: NAME-VERSION of the packaged model that serves.
        for_this_machine: take this machine's wheels instead of Lambda's. Such a package runs on
            the local stack of a laptop unlike Lambda's Linux, and nowhere else.
    """

    engine: Engine = "portable"
    model: str = "cdnow-1.0.0"
    for_this_machine: bool = False


def stage(root: Path, into: Path, build: Build, *, with_dependencies: bool = True) -> None:
    """Lay out what ships from the checkout ``root``; whatever stood in ``into`` is gone.

    ``with_dependencies=False`` leaves the lock empty, for those who only want the template.
    Raises BadInput when a policy does not validate or names another document that cannot decide
    beside it, FileMissing or HashMismatch when a model is not whole.
    """
    check_arms(root)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    shutil.copyfile(root / "app.py", into / "app.py")
    shutil.copytree(root / "chalicelib", into / "chalicelib", ignore=_WITHOUT_BYTECODE)
    (into / ".chalice").mkdir()
    for source in sorted((root / ".chalice").glob("*.json")):
        shutil.copyfile(source, into / ".chalice" / source.name)
    for name, data in shipped_data(root, build.engine):
        target = into / "vendor" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    lock = (root / LOCKS[build.engine]).read_text() if with_dependencies else ""
    if build.for_this_machine and lock:
        _install(root / LOCKS[build.engine], into / "vendor")
        lock = ""
    (into / "requirements.txt").write_text(lock)


def shipped_data(root: Path, engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Every data file that the package must hold: its name in the zip and its content."""
    policies = root / "policies"
    for source in sorted(policies.rglob("*.toml")):
        name = source.relative_to(root).with_suffix(".json").as_posix()
        yield name, _compiled(source, is_policy=source.parent == policies)
    for artefact in sorted((root / "model_artifacts").glob("*/manifest.json")):
        directory = artefact.parent
        manifest = read_manifest(directory)
        for file in shipped_files(manifest, engine=engine):
            listed = file != MANIFEST_FILE
            data = (
                read_listed(directory, manifest, file) if listed else read_bytes(directory / file)
            )
            yield f"model_artifacts/{directory.name}/{file}", data


def check_arms(root: Path) -> None:
    """Raise BadInput where an arm of a policy names a document that is missing or does not fit."""
    documents = Documents(root)
    wrong: list[FieldError] = []
    for path in sorted((root / "policies").glob("*.toml")):
        if path.stem != "jurisdictions":
            champion = policy_from_toml(path.read_text())
            _, refusals = load_challengers(champion, documents=documents, engine="portable")
            wrong += [
                FieldError(f"policies/{path.name}", f"experiments: {r.reason}") for r in refusals
            ]
    if wrong:
        raise BadInput(*wrong)


def inputs_digest(root: Path, build: Build) -> str:
    """Name everything that goes into a package, to know whether one is still good."""
    digest = hashlib.sha256(repr((build, RUNTIME, MAGIC_NUMBER, _LAYOUT)).encode())
    paths = [root / "app.py", root / LOCKS[build.engine], root / "ops" / "operating_table.toml"]
    for folder in ("chalicelib", ".chalice", "policies", "model_artifacts"):
        paths += sorted((root / folder).rglob("*"))
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts and "deployments" not in path.parts:
            digest.update(f"{path.relative_to(root)}:{path.stat().st_size}:".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _compiled(source: Path, *, is_policy: bool) -> bytes:
    text = source.read_text()
    if is_policy and source.stem == "jurisdictions":
        Jurisdictions.model_validate(tomllib.loads(text))
    elif is_policy:
        policy_from_toml(text)
    document = json.loads(json.dumps(tomllib.loads(text), default=_as_text))
    return canonical_json(document) + b"\n"


def _as_text(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"policies hold no {type(value).__name__}")


def _install(lock: Path, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
    command += ["--target", str(into), "-r", str(lock)]
    subprocess.run(command, check=True)  # noqa: S603 - ours
