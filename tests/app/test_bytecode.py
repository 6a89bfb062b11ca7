"""The bytecode that ships: it is there, it is taken, and it is never another source's."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ops.bytecode import (
    HEADER_BYTES,
    RUNTIME,
    bytecode_name,
    compile_source,
    judge_header,
    source_hash,
)
from ops.package import read_contents, repack
from ops.places import ROOT
from ops.refusals import Contents, judge_contents, judge_template
from tests.app.test_package import TEMPLATE

SOURCES = {
    "app.py": b"from shop.prices import BASE\nTOTAL = BASE + 1\n",
    "shop/__init__.py": b"",
    "shop/prices.py": b"BASE = 41\ndef fail():\n    raise ValueError('of a test')\n",
}
OURS = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]
HASH_OURS = f"""
import hashlib, pathlib, sys
sys.path.insert(0, {str(ROOT)!r})
from ops.bytecode import compile_source
digest = hashlib.sha256()
for path in {[str(path) for path in OURS]!r}:
    digest.update(compile_source(path, pathlib.Path(path).read_bytes()))
print(digest.hexdigest())
"""


def packed(directory: Path, sources: dict[str, bytes] = SOURCES) -> Path:
    """A zip of these sources, as the packager leaves it."""
    path = directory / "deployment.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, source in sources.items():
            archive.writestr(name, source)
    repack(path)
    return path


def unpacked(directory: Path) -> Path:
    """The same, unzipped as Lambda does it."""
    with zipfile.ZipFile(packed(directory)) as archive:
        archive.extractall(directory / "task")
    return directory / "task"


def run(task: Path, code: str) -> str:
    """What a fresh interpreter prints that runs code where a package lies."""
    code = f"import sys\nsys.path.insert(0, {str(task)!r})\nsys.dont_write_bytecode = True\n{code}"
    done = subprocess.run(  # noqa: S603  (our own interpreter, our own code)
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def faults(contents: Contents) -> list[str]:
    """What the judge says of the bytecode in a zip that holds nothing else."""
    judged = judge_contents(contents, lock="", data={}, model="none", with_joblib=False)
    return [each.detail for each in judged if each.reason == "BytecodeNotGood"]


def test_every_source_ships_with_bytecode_that_is_its_own_and_unchecked(tmp_path: Path) -> None:
    """Source and bytecode lie side by side; the header names this Python and the source's hash."""
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}

    assert set(files) == {*SOURCES, *map(bytecode_name, SOURCES)}
    for name, source in SOURCES.items():
        header = files[bytecode_name(name)][:HEADER_BYTES]
        assert header[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(header[4:8], "little") == 0b01
        assert header[8:] == importlib.util.source_hash(source)


def test_python_takes_the_bytecode_without_a_look_at_the_source(tmp_path: Path) -> None:
    """A changed source goes unnoticed, so nothing is compiled at a cold start."""
    task = unpacked(tmp_path)
    (task / "shop" / "prices.py").write_text("BASE = 'compiled anew'\n")

    assert run(task, "import app\nprint(app.TOTAL, app.__cached__)") == (
        f"42 {task}/{bytecode_name('app.py')}"
    )


def test_a_traceback_quotes_the_source_where_it_lies(tmp_path: Path) -> None:
    """Files and lines of a traceback are those of the unzipped package."""
    task = unpacked(tmp_path)
    code = """
import traceback, shop.prices
try: shop.prices.fail()
except ValueError: print(traceback.format_exc())
"""

    told = run(task, code)

    assert f'File "{task}/shop/prices.py", line 3, in fail' in told
    assert "raise ValueError('of a test')" in told


def test_without_its_bytecode_the_package_still_runs(tmp_path: Path) -> None:
    """Another Python does not find what is not for it, and compiles the source."""
    task = unpacked(tmp_path)
    for file in task.rglob("*.pyc"):
        file.rename(file.with_name(file.name.replace("cpython-3", "cpython-2")))

    assert run(task, "import app\nprint(app.TOTAL)") == "42"


def test_bytecode_depends_on_its_source_alone() -> None:
    """A process that has loaded half the world writes the same bytes as a fresh one."""
    here: dict[str, Any] = {}
    exec(HASH_OURS.replace("print(", "answer = ("), here)  # noqa: S102  (our own code)

    assert here["answer"] == run(ROOT, HASH_OURS)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (None, "is missing"),
        (b"\0\0\0\0", "is for another Python"),
        (importlib.util.MAGIC_NUMBER + b"\x00\0\0\0" + b"12345678", "is checked at every import"),
        (importlib.util.MAGIC_NUMBER + b"\x03\0\0\0" + b"12345678", "is checked at every import"),
        (compile_source("a.py", b"a = 2")[:HEADER_BYTES], "is stale"),
        (compile_source("a.py", b"a = 1")[:HEADER_BYTES], None),
    ],
)
def test_what_is_wrong_with_bytecode_is_named(header: bytes | None, fault: str | None) -> None:
    """No, another Python's, a checked, and a stale one are told apart; a good one passes."""
    assert judge_header(header, hashed=source_hash(b"a = 1")) == fault


def test_a_zip_without_good_bytecode_is_refused(tmp_path: Path) -> None:
    """Each source without bytecode of its own refuses the package, and so does a lone bytecode."""
    path = packed(tmp_path)
    assert faults(read_contents(path)) == []
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("late.py", b"LATE = True\n")
        archive.writestr(bytecode_name("gone.py"), compile_source("gone.py", b""))

    assert faults(read_contents(path)) == [
        f"{bytecode_name('late.py')} is missing",
        f"{bytecode_name('gone.py')} is in the zip and its source is not",
    ]


def test_a_source_that_this_python_cannot_read_refuses_the_package(tmp_path: Path) -> None:
    """What does not compile is named by the judge, before anybody deploys it."""
    contents = read_contents(packed(tmp_path, {**SOURCES, "shop/new.py": b"def of(:\n"}))

    assert faults(contents) == [f"{bytecode_name('shop/new.py')} is missing"]


def test_a_function_of_another_runtime_is_refused() -> None:
    """Bytecode for one minor under another would be dead weight, and every start slow."""
    template = json.loads(json.dumps(TEMPLATE))
    for resource in template["Resources"].values():
        resource["Properties"]["Runtime"] = RUNTIME
    template["Resources"]["OnDrop"]["Properties"]["Runtime"] = "python3.9"

    judged = list(judge_template(template, runtime=RUNTIME))

    assert [each.reason for each in judged] == ["BytecodeForAnotherPython"]
    assert "OnDrop" in judged[0].detail
