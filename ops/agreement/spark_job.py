"""Run selects on Spark: a program for the environment of Spark, which has nothing of Segue in it.

The one argument is a JSON file: ``tables`` names Parquet files as views, and each of ``queries``
has the file of a select (``sql``) and the directory where its rows go as Parquet (``out``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession


def main(job: dict[str, Any]) -> None:
    """Run every query of a job on two cores of this machine."""
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("segue")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.warehouse.dir", job["workdir"])
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for name, file in job["tables"].items():
        spark.read.parquet(file).createOrReplaceTempView(name)
    for query in job["queries"]:
        spark.sql(Path(query["sql"]).read_text()).write.mode("overwrite").parquet(query["out"])
    print(f"Spark {spark.version}")
    spark.stop()


main(json.loads(Path(sys.argv[1]).read_text()))
