"""The packaged template, made once."""

import pytest

from ops.operating import OperatingTable, read_operating_table
from ops.package import chalice_template
from ops.places import ROOT
from ops.staging import Build, stage
from tests.app.packaged import Json


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The merged template that Chalice makes of this checkout, without the dependencies' zip."""
    directory = tmp_path_factory.mktemp("template")
    stage(ROOT, directory / "stage", Build(), with_dependencies=False)
    return chalice_template(directory / "stage", directory / "package")


@pytest.fixture(scope="session")
def table() -> OperatingTable:
    """The operating table."""
    return read_operating_table()
