"""Selects on a real Spark: local mode, in a process and an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.errors import SegueError
from ops.places import SPARK

_JOB = Path(__file__).parent / "spark_job.py"
_TIMEOUT_SECONDS = 900


class SparkUnavailable(SegueError):
    """Spark is not set up, needs Java, or did not run a job to its end."""


@dataclass(frozen=True, slots=True)
class SparkJob:
    """Selects to run.

    Attributes:
        tables: Parquet files by the name of the view.
        selects: the texts by name; the rows of each come out as ``workdir/NAME.out``.
    """

    tables: Mapping[str, Path]
    selects: Mapping[str, str]


def run_on_spark(job: SparkJob, workdir: Path, *, environment: Path = SPARK) -> dict[str, Path]:
    """Run every select; directories of Parquet files by the name of the select.

    Args:
        job: the selects.
        workdir: where everything is written; must exist.
        environment: a virtual environment with pyspark in it (``make .spark``).

    Raises:
        SparkUnavailable: with Spark's own last words where it has run.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        raise SparkUnavailable(f"{environment} does not exist: run make .spark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise SparkUnavailable("Spark needs Java 17 or 21: install it, or set JAVA_HOME")
    written = {name: workdir / f"{name}.out" for name in job.selects}
    queries = []
    for name, select in job.selects.items():
        text = workdir / f"{name}.sql"
        text.write_text(select)
        queries.append({"sql": str(text), "out": str(written[name])})
    description = workdir / "job.json"
    tables = {name: str(file) for name, file in job.tables.items()}
    description.write_text(
        json.dumps({"tables": tables, "queries": queries, "workdir": str(workdir)})
    )
    _run([str(python), str(_JOB), str(description)], workdir)
    return written


def _run(command: list[str], workdir: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    environment = {**kept, "SPARK_LOCAL_IP": "127.0.0.1", "TMPDIR": str(workdir)}
    try:
        subprocess.run(  # noqa: S603 - a fixed program
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd=workdir,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.strip()]
        raise SparkUnavailable("Spark: " + " | ".join(said[-3:])) from error
    except subprocess.TimeoutExpired as error:
        raise SparkUnavailable(f"Spark did not end within {_TIMEOUT_SECONDS} seconds") from error
