from __future__ import annotations

import subprocess
import sys

from tests.trained import artefact

PROBE = """
import sys
from pathlib import Path
from chalicelib.core.features import Features
from chalicelib.scoring.load import load_scorer
load_scorer("portable", Path(sys.argv[1])).score(Features(1.0, 1.0, 1.0, 1.0, None))
heavy = {"numpy", "scipy", "sklearn", "joblib", "pandas", "duckdb", "pickle", "boto3"}
print(sorted(heavy & set(sys.modules)))
"""


def test_the_portable_engine_loads_nothing_heavy() -> None:
    """Loading and scoring import no numerical library, and nothing that could unpickle."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and a fixed program
        [sys.executable, "-c", PROBE, str(artefact())], check=True, capture_output=True, text=True
    )

    assert done.stdout == "[]\n"
