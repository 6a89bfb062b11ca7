"""Servers of a benchmark: each in a process of its own, that ends with whoever started it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.places import ROOT

CLOCK_TICKS_PER_SECOND = 100  # USER_HZ of every Linux that Python runs on


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens on loopback."""

    port: int
    process_id: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time that its process has taken so far, user and system."""
        after_name = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / CLOCK_TICKS_PER_SECOND


@contextmanager
def running(command: Sequence[str], *, environment: Mapping[str, str]) -> Iterator[Server]:
    """A server that prints its port once it listens, and ends when its standard input does."""
    process = subprocess.Popen(  # noqa: S603  (our own command)
        command,
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process without pipes")
    try:
        told = process.stdout.readline().strip()
        if not told.isdigit():
            raise SystemExit(f"{command} did not start: {told!r}")
        yield Server(int(told), process.pid)
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
