"""What reading and writing alone cost DuckDB: the features in, as many columns out, no model.

python -m benchmarks.batch_limit people.csv scores.parquet

Nothing is looked over before, no id is checked and no score computed; only the types are told. It
is what the batch engine cannot fall below while DuckDB reads and writes for it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

_COLUMNS = ("recency_days", "frequency", "monetary_minor", "tenure_days", "mean_gap_days")


def copied(source: Path, target: Path) -> int:
    """Copy the customers with as many columns as scores have; returns how many there are."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "memory_limit": "96MB",
            "temp_directory": folder,
            "preserve_insertion_order": False,
        }
        with duckdb.connect(config=config) as connection:
            copy = (
                "COPY (SELECT customer_id, CAST('lost' AS ENUM('lost')) AS segment,"  # noqa: S608
                f" recency_days AS churn, tenure_days AS expected_orders FROM {_read(source)}"
                # The others are asked for as well, since a value that nobody wants is not typed.
                " WHERE coalesce(frequency, monetary_minor, mean_gap_days, 0e0) >= 0e0)"
                f" TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 30720,"
                " DICTIONARY_SIZE_LIMIT 1000)"
            )
            [rows] = connection.execute(copy).fetchone() or (0,)
    return int(rows)


def _read(source: Path) -> str:
    if source.suffix == ".parquet":
        return f"read_parquet('{source}')"
    with source.open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    types = {name: "DOUBLE" if name in _COLUMNS else "VARCHAR" for name in names}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    return (
        f"read_csv('{source}', auto_detect=false, header=false, skip=1, delim=',', quote='\"',"
        f" escape='\"', new_line='\\n', parallel=false, columns={{{columns}}})"
    )


if __name__ == "__main__":
    print(copied(Path(sys.argv[1]), Path(sys.argv[2])))
