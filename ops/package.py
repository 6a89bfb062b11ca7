"""Build the deployable package: stage, let Chalice package, make it reproducible, judge it.

The result is ``build/package/``: ``deployment.zip`` and ``template.json``. Equal inputs give an
equal zip to the byte, so a second deployment of the same code changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import click

from chalicelib.core.canonical import sha256_hex
from chalicelib.core.errors import SegueError
from ops.bytecode import HEADER_BYTES, RUNTIME, bytecode_name, compile_source, source_hash
from ops.definition import fold_definitions
from ops.places import PACKAGE, ROOT
from ops.refusals import (
    Contents,
    PackageRefused,
    Refusal,
    functions_of,
    is_data,
    judge_contents,
    judge_template,
)
from ops.staging import LOCKS, Build, Engine, inputs_digest, shipped_data, stage

CODE_URI = "./deployment.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: no clock in the package
_READABLE = 0o100644 << 16
# Dependencies ship their own tests, pickles among them: 31 MB of scikit-learn and its like.
_LEFT_OUT = frozenset({"__pycache__", "tests", "test"})


@dataclass(frozen=True, slots=True)
class Package:
    """A package on disk.

    Attributes:
        directory: where it stands.
        zip_bytes: size of the zip.
        unzipped_bytes: size of what is in it.
        functions: how many functions the template has.
    """

    directory: Path
    zip_bytes: int
    unzipped_bytes: int
    functions: int

    @property
    def zip_path(self) -> Path:
        """The code of every function."""
        return self.directory / "deployment.zip"

    @property
    def template_path(self) -> Path:
        """The SAM template, with the code at ``CODE_URI``."""
        return self.directory / "template.json"

    def summary(self) -> str:
        """The figures as one line of JSON."""
        return json.dumps(
            {
                "zip_mb": round(self.zip_bytes / 1e6, 2),
                "unzipped_mb": round(self.unzipped_bytes / 1e6, 2),
                "functions": self.functions,
            }
        )


def build_from_environment(*, local: bool = False) -> Build:
    """The build that SEGUE_SCORER and SEGUE_MODEL ask for.

    ``local`` says that it is for the local stack, which runs functions on this machine: where
    that is unlike Lambda's, the package takes this machine's wheels. Raises ClickException.
    """
    engine = os.environ.get("SEGUE_SCORER", Build().engine)
    engines: tuple[Engine, ...] = get_args(Engine)
    for known in engines:
        if engine == known:
            return Build(
                engine=known,
                model=os.environ.get("SEGUE_MODEL", Build().model),
                for_this_machine=local and not runs_lambda_wheels(),
            )
    raise click.ClickException(f"SEGUE_SCORER is {engine!r}; it must be one of {engines}")


def runs_lambda_wheels() -> bool:
    """Whether the wheels that Chalice packs (Linux, x86_64, glibc) run on this machine too."""
    machine = (platform.system(), platform.machine(), platform.libc_ver()[0])
    return machine == ("Linux", "x86_64", "glibc")


def build_package(
    build: Build, *, root: Path = ROOT, into: Path = PACKAGE, say: Callable[[str], None]
) -> Package:
    """Build a package and judge it; raises PackageRefused, BadInput, CalledProcessError.

    What stands in ``into`` is replaced only by a package that may be deployed.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    digest = inputs_digest(root, build)
    with TemporaryDirectory(prefix="making-", dir=into.parent) as scratch:
        stage_directory, made = Path(scratch) / "stage", Path(scratch) / "package"
        say("staging what ships")
        stage(root, stage_directory, build)
        say("packaging with Chalice")
        template = chalice_template(stage_directory, made)
        _set_model(template, build)
        repack(made / "deployment.zip")
        (made / "template.json").write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")
        say("judging the result")
        refusals = _refusals(made, build, root)
        if refusals:
            raise PackageRefused(refusals)
        (made / "inputs.sha256").write_text(digest)
        shutil.rmtree(into, ignore_errors=True)
        made.rename(into)
    return read_package(into)


def ensure_package(
    build: Build, *, root: Path = ROOT, into: Path = PACKAGE, say: Callable[[str], None]
) -> Package:
    """Take the package that stands there if it was built from these inputs, else build it.

    Of several processes that ask at once, one builds, and the others take what it built.
    """
    stamp = into / "inputs.sha256"
    into.parent.mkdir(parents=True, exist_ok=True)
    with into.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # until the file is closed, or this process ends
        if stamp.is_file() and stamp.read_text() == inputs_digest(root, build):
            return read_package(into)
        return build_package(build, root=root, into=into, say=say)


def read_package(directory: Path) -> Package:
    """Read the figures of the package that stands in a directory."""
    contents = read_contents(directory / "deployment.zip")
    return Package(
        directory=directory,
        zip_bytes=contents.zip_bytes,
        unzipped_bytes=sum(contents.sizes.values()),
        functions=len(functions_of(json.loads((directory / "template.json").read_text()))),
    )


def chalice_template(stage_directory: Path, into: Path) -> dict[str, Any]:
    """Let Chalice package a staging directory, and return the merged template.

    Raises CalledProcessError, with Chalice's words on stderr.
    """
    into.mkdir(parents=True, exist_ok=True)
    merge = stage_directory / ".chalice" / "resources.json"
    command = [str(Path(sys.executable).with_name("chalice"))]
    command += ["--project-dir", str(stage_directory)]
    command += ["package", "--stage", "dev", "--merge-template", str(merge), str(into)]
    # Chalice asks botocore for a region to know the partition; the template itself names none.
    environment = {"AWS_DEFAULT_REGION": "us-east-1", **os.environ}
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)  # noqa: S603 - ours
    written = into / "sam.json"
    template: dict[str, Any] = json.loads(written.read_text())
    written.unlink()
    fold_definitions(template)
    return template


def read_contents(path: Path) -> Contents:
    """List what a zip holds."""
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        return Contents(
            zip_bytes=path.stat().st_size,
            sizes={entry.filename: entry.file_size for entry in entries},
            hashes={
                entry.filename: sha256_hex(archive.read(entry))
                for entry in entries
                if is_data(entry.filename)
            },
            sources={
                entry.filename: source_hash(archive.read(entry))
                for entry in entries
                if entry.filename.endswith(".py")
            },
            bytecode={
                entry.filename: archive.open(entry).read(HEADER_BYTES)
                for entry in entries
                if entry.filename.endswith(".pyc")
            },
        )


def _set_model(template: dict[str, Any], build: Build) -> None:
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["SEGUE_SCORER"] = build.engine
    variables["SEGUE_MODEL"] = build.model


def repack(path: Path) -> None:
    """Rewrite a zip so that its bytes depend on its files alone, not on when they were fetched.

    The tests of dependencies are left out, and so is bytecode that was fetched or holds times of
    its own: every source file gets bytecode made here, unless this Python cannot read it.
    """
    fresh = path.with_suffix(".tmp")
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name, data in sorted(_shipped(source)):
            plain = zipfile.ZipInfo(name, _EPOCH)
            plain.external_attr = _READABLE
            plain.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(plain, data)
    fresh.replace(path)


def _shipped(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    for entry in archive.infolist():
        name = entry.filename
        if entry.is_dir() or name.endswith(".pyc") or _LEFT_OUT.intersection(name.split("/")):
            continue
        data = archive.read(entry)
        yield name, data
        if name.endswith(".py"):
            with suppress(SyntaxError):  # the judge names what has no bytecode, and refuses it
                yield bytecode_name(name), compile_source(name, data)


def _refusals(into: Path, build: Build, root: Path) -> list[Refusal]:
    contents = read_contents(into / "deployment.zip")
    template = json.loads((into / "template.json").read_text())
    refusals = list(
        judge_contents(
            contents,
            lock=(root / LOCKS[build.engine]).read_text(),
            data=dict(shipped_data(root, build.engine)),
            model=build.model,
            with_joblib=build.engine == "joblib",
        )
    )
    faults = list(judge_template(template, runtime=RUNTIME))
    # cfn-lint would say the same of a known fault in forty sentences.
    return [*refusals, *(faults or _lint(into / "template.json"))]


def _lint(template: Path) -> Iterator[Refusal]:
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    command = [linter, str(template)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    if done.returncode:
        yield Refusal("TemplateNotClean", (done.stdout + done.stderr).strip())


@click.command()
def package() -> None:
    """Build the deployable package in build/package and prove it.

    SEGUE_SCORER=joblib packages scikit-learn's own pipeline instead of the portable scorer.
    """

    def say(step: str) -> None:
        click.echo(f"… {step}", err=True)

    try:
        built = build_package(build_from_environment(), say=say)
    except PackageRefused as refused:
        for refusal in refused.refusals:
            click.echo(f"refused: {refusal}", err=True)
        raise click.ClickException("this package may not be deployed") from None
    except SegueError as error:
        raise click.ClickException(f"{type(error).__name__}: {error}") from None
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"{error.cmd[0]} failed; it says why above") from None
    click.echo(f"{built.zip_path.relative_to(ROOT)}, {built.template_path.relative_to(ROOT)}")
    click.echo(built.summary())
