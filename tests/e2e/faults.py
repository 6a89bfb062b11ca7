"""Faults of the function that works on parts: put into a copy of the package, never into it.

``app.py`` of the copy ends with a call of ``broken``. What is to break stands in an object of the
results bucket, one for each part: ``work/faults/TASK-NUMBER``, with how often.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ops.bytecode import bytecode_name
from ops.package import Package

ALWAYS = 1_000_000
_MODULE = """
import os

import botocore.session


def broken(handler):
    def work(event, context):
        objects = botocore.session.Session().create_client("s3")
        bucket = os.environ["SEGUE_RESULTS_BUCKET"]
        key = f"work/faults/{event['task']}-{event.get('number', 0)}"
        found = objects.list_objects_v2(Bucket=bucket, Prefix=key)
        if any(each["Key"] == key for each in found.get("Contents", ())):
            times = int(objects.get_object(Bucket=bucket, Key=key)["Body"].read())
            if times > 0:
                objects.put_object(Bucket=bucket, Key=key, Body=str(times - 1).encode())
                os._exit(1)
        return handler(event, context)

    return work
"""
_CALL = "\n\nimport faults  # noqa: E402\n\nwork_part = faults.broken(work_part)\n"


def breakable(package: Package, directory: Path) -> Package:
    """A copy of the package whose function for parts dies where it is told to."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "template.json").write_bytes(package.template_path.read_bytes())
    with (
        zipfile.ZipFile(package.zip_path) as source,
        zipfile.ZipFile(directory / "deployment.zip", "w", zipfile.ZIP_STORED) as target,
    ):
        for entry in source.infolist():
            if entry.filename == bytecode_name("app.py"):
                continue  # Python takes bytecode of a package without looking at the source
            body = source.read(entry)
            target.writestr(entry, body + _CALL.encode() if entry.filename == "app.py" else body)
        target.writestr("faults.py", _MODULE)
    return replace(package, directory=directory)


def break_part(objects: Any, bucket: str, task: str, number: int, *, times: int) -> None:
    """Let the function die so many times when it is given this part."""
    objects.put_object(Bucket=bucket, Key=f"work/faults/{task}-{number}", Body=str(times).encode())


def mend_part(objects: Any, bucket: str, task: str, number: int) -> None:
    """Let it live."""
    objects.delete_object(Bucket=bucket, Key=f"work/faults/{task}-{number}")
