"""To whom each order of a divided file belongs, and which are not whole: asked of all its parts.

An order may stand in parts that know nothing of each other. Each part tells who claims it and which
record spoilt it, partitioned by the order; whoever reads one partition of all parts can judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from chalicelib.files.database import connect, literal, translated
from chalicelib.files.shuffle import Blob, Ranges, write_partitions
from chalicelib.files.typed_rows import TypedRows

_ROWS_AT_ONCE = 10_000


def shuffle_claims(
    rows: TypedRows, identity: str, owner: str, *, partitions: int, target: Path, workdir: Path
) -> Ranges:
    """Write who claims each identity and what spoilt it, partitioned by the identity.

    Args:
        rows: of one part.
        identity: the field that names an order.
        owner: the field that names whose it is.
        partitions: how many there are, the same for all parts of a file.
        target: gets the blobs.
        workdir: the folder of ``rows``.
    """
    if identity not in rows.fields:
        target.touch()
        return ((0, 0),) * partitions
    rows.execute("CREATE OR REPLACE TABLE spoilt (identity VARCHAR, record BIGINT)")
    told = iter(rows.spoilt.items())
    while some := list(islice(told, _ROWS_AT_ONCE)):
        rows.execute(
            "INSERT INTO spoilt SELECT unnest($identities), unnest($records)",
            {"identities": [each for each, _ in some], "records": [record for _, record in some]},
        )
    named, by = rows.column(identity), rows.column(owner)
    return write_partitions(
        rows,
        f"SELECT DISTINCT {named} AS identity, {by} AS owner, CAST(NULL AS BIGINT) AS record"  # noqa: S608
        f" FROM rows WHERE {named} IS NOT NULL AND {by} IS NOT NULL"
        " UNION ALL SELECT identity, NULL, record FROM spoilt",
        key="identity",
        partitions=partitions,
        target=target,
        workdir=workdir,
    )


def settle_claims(blobs: Sequence[Blob], target: Path, *, workdir: Path, memory_mb: int) -> int:
    """Judge one partition: which orders have several owners, which are spoilt and have rows.

    Args:
        blobs: what every part claims of this partition.
        target: gets the verdicts as Parquet: ``identity``, ``contested``, and in ``spoilt`` the
            first record that spoilt it, as numbered in the file.
        workdir: a folder of its own, in which everything lies.
        memory_mb: what DuckDB may hold before it spills to disk.

    Returns:
        How many verdicts there are; of an order without one, nothing is wrong.
    """
    with connect(workdir, memory_mb=memory_mb) as connection, translated():
        connection.execute("CREATE TABLE claims (identity VARCHAR, owner VARCHAR, record BIGINT)")
        for blob in blobs:
            connection.execute(
                f"INSERT INTO claims SELECT identity, owner, record + {blob.offset}"  # noqa: S608
                f" FROM read_parquet({literal(str(blob.path))})"
            )
            blob.path.unlink()
        (count,) = connection.execute(
            "COPY (SELECT identity, count(DISTINCT owner) > 1 AS contested,"  # noqa: S608
            " min(record) AS spoilt FROM claims GROUP BY identity"
            " HAVING count(DISTINCT owner) > 1 OR (min(record) IS NOT NULL AND count(owner) > 0))"
            f" TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone() or (0,)
    return int(count)
