"""What a cold start costs, ours beside its peers: each in a fresh process, in turns.

What is counted is CPU time of the process, user and system, from its start until it is ready to
take a first request. It then ends at once, as Lambda never tears an interpreter down. The layout
is Lambda's: the package unzipped, boto3 on a path of its own, no site-packages. The standard
library and boto3 have their bytecode in every variant, as in Lambda's own image.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decision import trained_pipeline
from benchmarks.settings import ENVIRONMENT
from ops.package import build_from_environment, ensure_package
from ops.places import BUILD, ROOT

HERE = BUILD / "cold-start"
BENCH = ROOT / ".bench"
OF_THE_RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
UNCOMPILED_ROUNDS = 5  # they take seconds, and their ratios are far from any bar
_READY = """
import sys
sys.path[:0] = {paths!r}
import benchmarks.cold.{module}
import time
spent = time.process_time()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(spent * 1000, int(peak.split()[1]) / 1000, flush=True)
import os
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One cold start: what it loads, from where, and whether the package holds bytecode."""

    name: str
    module: str
    paths: tuple[Path, ...]
    compiled: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """What one took.

    Attributes:
        cpu_ms: CPU time until ready.
        peak_mb: the largest resident set until then.
    """

    cpu_ms: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What was measured: the starts of each variant, by round."""

    rounds: Mapping[str, Sequence[Start]]

    def cpu_ms(self, name: str) -> float:
        """The median of a variant's CPU time."""
        return statistics.median(start.cpu_ms for start in self.rounds[name])

    def peak_mb(self, name: str) -> float:
        """The median of a variant's peak."""
        return statistics.median(start.peak_mb for start in self.rounds[name])

    def ratio(self, dearer: str, cheaper: str) -> float:
        """How many times the CPU of one the other takes: the median over their common rounds."""
        pairs = zip(self.rounds[dearer], self.rounds[cheaper], strict=False)
        return statistics.median(one.cpu_ms / other.cpu_ms for one, other in pairs)


def measure(*, rounds: int = 15) -> ColdStart:
    """Start every variant in turns, after one start of each that warms the disk's cache."""
    if not BENCH.is_dir():
        raise SystemExit("the peers' environment is missing; make .bench sets it up")
    trained_pipeline()
    package, runtime = _unzipped(), _runtime()
    variants = _variants(package, runtime)
    only_runtime = _bytecode_of_the_runtime(variants, packages=(package, BENCH))
    for variant in variants:
        _start(variant, only_runtime)
    found: dict[str, list[Start]] = {variant.name: [] for variant in variants}
    for number in range(rounds):
        for variant in variants:
            if variant.compiled or number < UNCOMPILED_ROUNDS:
                found[variant.name].append(_start(variant, only_runtime))
    return ColdStart(found)


def _variants(package: Path, runtime: Path) -> list[Variant]:
    peers = Path(sysconfig.get_path("purelib", vars={"base": str(BENCH)}))
    ours, theirs = (package, runtime, HERE), (package, runtime, HERE)
    # Chalice vendors itself into every package, so the peer's too holds it.
    naive = (HERE / "chalice", runtime, peers, HERE)
    return [
        Variant("ours", "segue", ours),
        Variant("ours_without_bytecode", "segue", ours, compiled=False),
        Variant("authorizer", "authorizer", ours),
        Variant("parts_alone", "parts_alone", theirs),
        Variant("naive", "naive_app", naive),
        Variant("naive_without_bytecode", "naive_app", naive, compiled=False),
    ]


def _unzipped() -> Path:
    """The package as Lambda has it, built if its inputs have changed."""
    built = ensure_package(build_from_environment(), say=lambda step: print(f"… {step}"))
    package = HERE / "package"
    shutil.rmtree(HERE, ignore_errors=True)
    with zipfile.ZipFile(built.zip_path) as archive:
        archive.extractall(package)
    (HERE / "chalice").mkdir()
    (HERE / "chalice" / "chalice").symlink_to(package / "chalice")
    (HERE / "benchmarks").mkdir()
    (HERE / "benchmarks" / "cold").symlink_to(ROOT / "benchmarks" / "cold")
    return package


def _runtime() -> Path:
    """What Lambda's runtime brings: boto3 and what it needs."""
    runtime, installed = HERE / "runtime", Path(sysconfig.get_path("purelib"))
    runtime.mkdir(parents=True)
    for name in OF_THE_RUNTIME:
        (runtime / name).symlink_to(installed / name)
    return runtime


def _bytecode_of_the_runtime(variants: Sequence[Variant], *, packages: Sequence[Path]) -> Path:
    """A tree of bytecode for the standard library and boto3, and for no package."""
    tree = HERE / "bytecode"
    for variant in variants:
        if not variant.compiled:
            _run(variant, ["-X", f"pycache_prefix={tree}"])
    for package in (*packages, HERE / "chalice"):
        shutil.rmtree(tree / package.relative_to("/"))
    return tree


def _start(variant: Variant, only_runtime: Path) -> Start:
    options = ["-B"] if variant.compiled else ["-B", "-X", f"pycache_prefix={only_runtime}"]
    cpu_ms, peak_mb = map(float, _run(variant, options).split())
    return Start(cpu_ms, peak_mb)


def _run(variant: Variant, options: Sequence[str]) -> str:
    code = _READY.format(paths=[str(path) for path in variant.paths], module=variant.module)
    command = [sys.executable, "-I", "-S", *options, "-c", code]
    environment = {"PATH": os.defpath, **ENVIRONMENT}
    done = subprocess.run(  # noqa: S603  (our own interpreter, our own code)
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the cold start of {variant.name} failed:\n{done.stderr}")
    return done.stdout
