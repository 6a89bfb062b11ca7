"""A data team whose files are big: the packaged definition over the real tasks, in memory."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from chalicelib.core.control import Drop
from chalicelib.core.kinds import DROP
from chalicelib.flows import big
from chalicelib.flows.big_begin import Division
from chalicelib.flows.big_sizes import Sizes
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropPorts
from ops.definition import definition_of, fold_definitions
from ops.template import read_template, resources_of
from tests.drops import RESULTS, DataTeam
from tests.fakes import SIGNING_KEYS
from tests.step_functions import Engine
from tests.unit.core.situations import NOW

VALUES = {"WorkPart": "arn:work", "Partition": "aws", "AtOnce": "4"}


@cache
def packaged_definition() -> dict[str, Any]:
    """The definition as Step Functions reads it."""
    template: Any = copy.deepcopy(read_template())
    fold_definitions(template)
    [(_, properties)] = resources_of(template, "AWS::StepFunctions::StateMachine")
    return definition_of(properties, VALUES)


@dataclass(slots=True)
class BigTeam(DataTeam):
    """Drops files that are divided above so many bytes.

    Attributes:
        above_bytes: where a file is a big one.
        sized_by: what the sizes of parts follow from; None is the same.
        before: may break a task before it is done.
    """

    above_bytes: int = 1_000
    sized_by: int | None = None
    before: Callable[[Mapping[str, Any]], None] = lambda _event: None
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        """Connect the engine."""
        self.engine = Engine(packaged_definition(), self.work, self.objects.body)

    @property
    def ports(self) -> DropPorts:
        """What the flow is given."""
        plain = DataTeam.ports.fget(self)  # type: ignore[attr-defined]
        ports: DropPorts = replace(
            plain,
            division=Division(self.engine, self.above_bytes),
            sizes=Sizes(self.sized_by or self.above_bytes, parts_in_one=2),
        )
        return ports

    def work(self, event: Mapping[str, Any]) -> Any:
        """What the function does."""
        self.before(event)
        return big.work(event, ports=self.ports, rules=self.rules, keys=SIGNING_KEYS, now=NOW)

    def finish(self, arrived: Arrived) -> Drop:
        """Handle a file and run its execution to the end."""
        self.handle(arrived)
        self.engine.run(arrived.drop_id)
        return self.known(arrived)

    def known(self, arrived: Arrived) -> Drop:
        """What is known of a drop."""
        key = DROP.key(arrived.drop_id)
        drop = self.store.read([key], now=NOW).value(key)
        assert drop is not None
        return drop

    def manifest(self, drop: Drop) -> list[dict[str, Any]]:
        """The files that count."""
        files: list[dict[str, Any]] = json.loads(self.result(drop, "manifest.json"))["files"]
        return files

    def rows(self, drop: Drop, name: str) -> list[dict[str, str]]:
        """The rows of all files of a name that the manifest lists."""
        bodies = [
            self.result(drop, file["name"]).decode()
            for file in self.manifest(drop)
            if file["name"].startswith(name)
        ]
        return [row for body in bodies for row in csv.DictReader(io.StringIO(body))]

    def results(self) -> list[str]:
        """Every key among the results."""
        return [key for key in self.objects.keys(RESULTS) if key.startswith("results/")]
