"""The peers of the batch engine, run by ``.bench/bin/python``: one variant, one file, one thread.

python -m benchmarks.batch_peer pandas-whole people.csv scores.parquet
python -m benchmarks.batch_peer pyarrow-parse people.csv

With ``-of-six`` pandas is told which columns to read, with ``-all-threads`` nobody holds pyarrow
and scikit-learn to one thread. They do less than ours: no id is checked, no row refused, no record
counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

FEATURES = ["recency_days", "frequency", "monetary_minor", "tenure_days", "mean_gap_days"]
WANTED = ["customer_id", *FEATURES]
ARTEFACT = Path(__file__).resolve().parent.parent / "model_artifacts" / "cdnow-1.0.0"
CHUNK_ROWS = 100_000


class Peer:
    """A data frame in, a data frame of scores out, by the trained scikit-learn pipelines."""

    def __init__(self) -> None:
        """Unpickle the pipelines."""
        self.pipelines = joblib.load(ARTEFACT / "model.joblib")

    def scored(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score every row."""
        features = frame[FEATURES].to_numpy(dtype=float)
        return pd.DataFrame(
            {
                "customer_id": frame["customer_id"],
                "segment": self.pipelines["segment"].predict(features),
                "churn": self.pipelines["churn"].predict_proba(features)[:, 1],
                "expected_orders": self.pipelines["expected_orders"].predict(features),
            }
        )


def whole(source: Path, columns: list[str] | None) -> pd.DataFrame:
    """The file as one frame."""
    match source.suffix:
        case ".csv":
            return pd.read_csv(source, usecols=columns)
        case ".parquet":
            return pd.read_parquet(source, columns=columns)
        case _:
            return pd.read_json(source, lines=True)


def chunks(source: Path, columns: list[str] | None) -> Iterator[pd.DataFrame]:
    """The same, a piece at a time."""
    match source.suffix:
        case ".csv":
            yield from pd.read_csv(source, usecols=columns, chunksize=CHUNK_ROWS)
        case ".parquet":
            with pa.parquet.ParquetFile(source) as file:
                for batch in file.iter_batches(CHUNK_ROWS, columns=columns, use_threads=False):
                    yield batch.to_pandas(use_threads=False)
        case _:
            yield from pd.read_json(source, lines=True, chunksize=CHUNK_ROWS)


def score_whole(source: Path, target: Path, columns: list[str] | None) -> int:
    """Read everything, score everything, write everything."""
    scores = Peer().scored(whole(source, columns))
    scores.to_parquet(target, index=False)
    return len(scores)


def score_chunks(source: Path, target: Path, columns: list[str] | None) -> int:
    """Read, score and write piece by piece."""
    peer, writer, rows = Peer(), None, 0
    for frame in chunks(source, columns):
        table = pa.Table.from_pandas(peer.scored(frame), preserve_index=False)
        writer = writer or pa.parquet.ParquetWriter(target, table.schema)
        writer.write_table(table)
        rows += table.num_rows
    if writer is not None:
        writer.close()
    return rows


def parse_only(source: Path) -> int:
    """Parse a CSV in a stream and do nothing with it: the limit of what a CSV allows."""
    with pa.csv.open_csv(source, read_options=pa.csv.ReadOptions(use_threads=False)) as reader:
        return sum(batch.num_rows for batch in reader)


def main(variant: str, source: str, target: str = "") -> None:
    """Run one variant and print how many rows it saw."""
    if not variant.endswith("-all-threads"):
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
    columns = WANTED if variant.endswith("-of-six") else None
    match variant.removesuffix("-of-six").removesuffix("-all-threads"):
        case "pandas-whole":
            rows = score_whole(Path(source), Path(target), columns)
        case "pandas-chunked":
            rows = score_chunks(Path(source), Path(target), columns)
        case "pyarrow-parse":
            rows = parse_only(Path(source))
        case _:
            raise SystemExit(f"no variant {variant}")
    print(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
