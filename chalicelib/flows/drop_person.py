"""What a drop says of one customer, before anything is looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.contact import ContactChange
from chalicelib.core.subject import Subject
from chalicelib.files.records import OrderLine


@dataclass(frozen=True, slots=True)
class Person:
    """What a drop says of one customer.

    Attributes:
        subject: whom it is about.
        orders: the rows of an orders file, by order.
        change: the row of a customers file.
        repeated: how many records only repeat another record of this file.
        record: the number of the row of a customers file.
    """

    subject: Subject
    orders: Mapping[str, Sequence[OrderLine]] = field(default_factory=dict)
    change: ContactChange | None = None
    repeated: int = 0
    record: int = 0
