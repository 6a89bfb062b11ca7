"""Which decisions a simulation decides again: ids out of the decision log, by no look into a table.

A log of many files is read in part: files are chosen by a hash of their names, and ids within them
by a hash of theirs, so that the same log gives the same sample.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from chalicelib.core.canonical import canonical_json, sha256_hex
from chalicelib.core.errors import Broken, NotFound
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.rules import Rules
from chalicelib.core.simulation_job import Job, Sampled, fewest
from chalicelib.flows.chronicle import DECISIONS
from chalicelib.flows.objects import Objects

SAMPLES = "log/state/simulations"
# Each holds what one batch of the stream brought, 500 decisions at most.
MOST_FILES = 2_000
_DOWNLOADS = 8


def take_sample(job: Job, *, rules: Rules, objects: Objects, bucket: str) -> Sampled:
    """Look through the log and leave the chosen ids in the bucket.

    The object is named by what it holds: two workers who saw different logs leave two of them, and
    the one counts that the job names. Raises Transient, and Broken for a file that cannot be read.
    """
    keys = [key for day in _days(job) for key in _files(day, objects, bucket)]
    read, files = fewest(keys, most=MOST_FILES, salt=job.run_id)
    ids, found = fewest(
        _ids(sorted(read), objects, bucket), most=job.asked.most_decisions, salt=job.run_id
    )
    body = canonical_json(ids)
    key = f"{SAMPLES}/{job.run_id}-{sha256_hex(body)[:16]}.json"
    objects.put(bucket, key=key, body=body, content_type="application/json")
    return Sampled(
        key=key,
        total=len(ids),
        found=found,
        files_read=len(read),
        files=files,
        model=rules.scorer.hash,
        jurisdictions=rules.jurisdictions_hash,
    )


def read_sample(sampled: Sampled, *, objects: Objects, bucket: str) -> Sequence[str]:
    """The chosen ids, in their order; raises NotFound where they have expired, Transient."""
    ids: Sequence[str] = json.loads(objects.get(bucket, key=sampled.key))
    return ids


def _days(job: Job) -> Iterator[str]:
    for back in reversed(range(job.asked.days)):
        yield format_instant(job.asked_at - back * DAY_SECONDS)[:10]


def _files(day: str, objects: Objects, bucket: str) -> Iterator[str]:
    return (each.key for each in objects.list(bucket, prefix=f"{DECISIONS}/date={day}/"))


def _ids(keys: Sequence[str], objects: Objects, bucket: str) -> Iterator[str]:
    def fetch(key: str) -> list[str]:
        try:
            text = gzip.decompress(objects.get(bucket, key=key))
            return [json.loads(line)["decision_id"] for line in text.splitlines()]
        except NotFound:
            return []  # its 29 days were over meanwhile
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            # The text of the error may quote a line.
            raise Broken(f"{key} cannot be read ({type(error).__name__})") from None

    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        for ids in pool.map(fetch, keys):
            yield from ids
