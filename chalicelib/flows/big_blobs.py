"""What every range left for one contest or one partition, brought together in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chalicelib.files.shuffle import Blob, Ranges
from chalicelib.flows.big_documents import Joined
from chalicelib.flows.big_work import Task


def fetch_blobs(
    task: Task,
    joined: Joined,
    ranges: Mapping[int, Ranges],
    key_of: Callable[[int], str],
    folder: Path,
) -> list[Blob]:
    """Fetch what lies in every range for the task's number, empty ones left out."""

    def fetch(number: int) -> Blob | None:
        start, end = ranges[number][task.number - 1]
        if start == end:
            return None
        path = folder / f"blob-{number:05}"
        task.download(path, key_of(number), (start, end))
        return Blob(path, joined.before[number], joined.columns[number])

    with ThreadPoolExecutor(task.ports.limits.parallel_writes) as fetchers:
        found = [*fetchers.map(fetch, sorted(number for number in ranges if ranges[number]))]
    return [blob for blob in found if blob is not None]
