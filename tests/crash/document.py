"""What a sweep came to, as docs/reliability.md tells it: one column for each of the two sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.places import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: crash -->", "<!-- end: crash -->"
SWEEPS = ("make crash", "make crash-full")
ROWS = (
    "numbered calls",
    "singles, all of them",
    "pairs",
    "injections, each a run",
    "violations",
    "planted bugs",
    "caught",
    "seeds",
    "mails lost / in doubt over all runs",
    "seconds on two cores",
)
TOGETHER = "together"
Cells = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Told:
    """One sweep's figures.

    Attributes:
        figures: a cell for each of ``ROWS``, in their order.
        flows: calls, singles and pairs of each flow.
    """

    figures: Sequence[str]
    flows: Mapping[str, tuple[int, int, int]]

    def table(self) -> Cells:
        """Calls, singles and pairs of each flow, and of all together."""
        sums = tuple(map(sum, zip(*self.flows.values(), strict=True)))
        rows = {**self.flows, TOGETHER: sums}
        return {name: [f"{number:,}" for number in row] for name, row in rows.items()}


def read(text: str) -> tuple[Cells, Cells]:
    """The two tables of the section: cells by row, of both sweeps and of the flows."""
    section = text.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    by_name = {name: cells for name, *cells in rows if name != "---"}
    figures = {name: by_name.get(name, ["", ""]) for name in ROWS}
    flows = {name: c for name, c in by_name.items() if name not in (*ROWS, "", "flow")}
    return figures, flows


def write(told: Told, sweep: str, path: Path = DOCUMENT) -> None:
    """Put one sweep's figures into the document; the other's stay as they were."""
    column = SWEEPS.index(sweep)
    text = path.read_text()
    figures, flows = read(text)
    rows = {
        name: _with(cells, column, cell)
        for (name, cells), cell in zip(figures.items(), told.figures, strict=True)
    }
    table = {
        name: [calls, singles, *_with(flows.get(name, [""] * 4)[2:], column, pairs)]
        for name, (calls, singles, pairs) in told.table().items()
    }
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n\n{_section(rows, table)}\n\n{END}{tail}")


def _with(cells: Sequence[str], column: int, cell: str) -> list[str]:
    changed = list(cells)
    changed[column] = cell
    return changed


def _section(figures: Cells, flows: Cells) -> str:
    names = [f"`{sweep}`" for sweep in SWEEPS]
    pairs = [f"pairs of {name}" for name in names]
    return "\n\n".join(
        (
            _markdown(["", *names], figures),
            "By flow:",
            _markdown(["flow", "calls", "singles", *pairs], flows),
        )
    )


def _markdown(header: Sequence[str], rows: Cells) -> str:
    lines = [header, ["---"] * len(header), *([name, *cells] for name, cells in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
