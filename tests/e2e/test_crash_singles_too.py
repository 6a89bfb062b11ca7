"""The fault sweep's singles, repeated on the local stack's DynamoDB: the other half."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.twin import RealTables
from tests.e2e.singles import HALVES, hold_singles, real_tables

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTables]:
    """Tables on a stack of their own."""
    with real_tables(tmp_path_factory.mktemp("crash")) as created:
        yield created


@pytest.mark.parametrize("name", HALVES[1])
def test_every_single_fault_on_a_real_dynamodb(tables: RealTables, name: str) -> None:
    """Each numbered call in each mode: memory and DynamoDB agree call by call, nothing breaks."""
    hold_singles(tables, name)
