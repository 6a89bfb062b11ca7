"""Whether a dropped file is too big for one function, and how its division begins.

The size that counts is that of the text. Of gzip and Parquet only the compressed size is known
before they are read, so a fourth of the threshold is held against that: text of this kind shrinks
to a fourth or so. One that shrinks to much less shows when it is unpacked: what is then too large
for one function is divided all the same, and remembered as divided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.control import Drop
from chalicelib.core.ports import Machine
from chalicelib.flows.drop_layouts import DropKind, plan_for
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_notice import Arrived

COMPRESSED_SHARE = 4


@dataclass(frozen=True, slots=True)
class Division:
    """What a file is divided by.

    Attributes:
        machine: works on the parts.
        above_bytes: the largest text that stays in one function.
    """

    machine: Machine
    above_bytes: int

    def is_for(
        self,
        arrived: Arrived,
        info: ObjectInfo,
        mapping: Callable[[str], Mapping[str, Any] | None],
    ) -> bool:
        """Whether a file is to be divided; raises FileRefused where its key says nothing."""
        if not self.takes(arrived, mapping):
            return False
        plan = plan_for(arrived.key, mapping)
        packed = plan.compressed or plan.layout.format == "parquet"
        share = COMPRESSED_SHARE if packed else 1
        return info.size * share > self.above_bytes

    def takes(self, arrived: Arrived, mapping: Callable[[str], Mapping[str, Any] | None]) -> bool:
        """Whether a file of this kind can be divided at all; raises FileRefused as ``is_for``."""
        # Of two statements about an article the later stands, so a catalogue stays in one piece.
        return plan_for(arrived.key, mapping).kind is not DropKind.CATALOG


@dataclass(frozen=True, slots=True)
class Divided:
    """A drop that is worked on elsewhere."""

    drop: Drop


def begin_division(arrived: Arrived, log: DropLog, division: Division) -> Divided:
    """Say that the drop is divided, and start the execution that is named by it.

    First the word, then the start: who comes again after a crash between them does not have to
    unpack the file to find out, and starts it. A drop that was divided before keeps the progress
    that it shows, and is not started twice.
    """
    if not log.drop.divided:
        log.divide()
    division.machine.start(arrived.drop_id, given=execution_input(arrived))
    return Divided(log.drop)


def execution_input(arrived: Arrived) -> dict[str, Any]:
    """What every execution for a drop is given."""
    return {"drop": {"drop_id": arrived.drop_id, **asdict(arrived)}}


def arrived_from(said: Mapping[str, Any]) -> Arrived:
    """The object that an execution is about."""
    return Arrived(
        bucket=said["bucket"],
        key=said["key"],
        version_id=said["version_id"],
        etag=said["etag"],
    )
