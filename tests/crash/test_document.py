"""docs/reliability.md says what a sweep of this code comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.bugs import BUGS
from tests.crash.cases import CASES, FLOWS, modes_of
from tests.crash.document import BEGIN, DOCUMENT, END, ROWS, SWEEPS, TOGETHER, Told, read, write
from tests.crash.run import run


@pytest.mark.parametrize("sweep", SWEEPS)
def test_the_document_is_about_these_calls_and_bugs(sweep: str) -> None:
    """Calls, singles and bugs are counted again; what differs asks for the sweep with --write."""
    figures, _ = read(DOCUMENT.read_text())
    calls = {name: run(name, {}).calls for name in CASES}
    singles = sum(count * len(modes_of(name)) for name, count in calls.items())

    said = {name: cells[SWEEPS.index(sweep)] for name, cells in figures.items()}

    assert said["numbered calls"] == f"{sum(calls.values()):,}"
    assert said["singles, all of them"] == f"{singles:,}"
    assert said["violations"] == "0"
    assert said["planted bugs"] == said["caught"] == str(len(BUGS))
    assert int(said["seeds"].replace(",", "")) >= (2_000 if sweep == SWEEPS[1] else 500)


def test_the_document_tells_of_every_flow() -> None:
    """A row for each flow, and their sum."""
    _, flows = read(DOCUMENT.read_text())
    numbers = {name: [int(cell.replace(",", "")) for cell in row] for name, row in flows.items()}

    assert list(flows) == [*FLOWS, TOGETHER]
    assert numbers[TOGETHER] == [
        sum(column) for column in zip(*(numbers[flow] for flow in FLOWS), strict=True)
    ]


def test_a_sweep_writes_its_own_column(tmp_path: Path) -> None:
    """Each sweep's figures stand beside the other's, and what stands around them stays."""
    path = tmp_path / "reliability.md"
    path.write_text(f"# Before\n\n{BEGIN}\n{END}\n\nAfter.\n")
    short = Told([str(n) for n in range(len(ROWS))], {"act": (1, 4, 6), "drop": (2, 8, 1_000)})
    full = Told([str(n + 100) for n in range(len(ROWS))], {"act": (1, 4, 60), "drop": (2, 8, 9)})

    write(short, SWEEPS[0], path)
    write(full, SWEEPS[1], path)

    figures, flows = read(path.read_text())
    assert figures[ROWS[0]] == ["0", "100"]
    assert flows == {
        "act": ["1", "4", "6", "60"],
        "drop": ["2", "8", "1,000", "9"],
        TOGETHER: ["3", "12", "1,006", "69"],
    }
    assert path.read_text().startswith("# Before\n\n")
    assert path.read_text().endswith("\n\nAfter.\n")
