"""What the environment says: one setting for each variable, checked once, all faults named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from chalicelib.core.errors import Broken
from chalicelib.core.freshness import expected_hours
from chalicelib.core.storage import Table

PREFIX = "SEGUE_"
LONGEST_POSTAL_ADDRESS = 300
_MAILBOX = re.compile(
    r"(?:[^<>@\x00-\x1f\x7f]{1,100}\s<(?P<named>[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+)>"
    r"|(?P<bare>[^<>@\s]+@[^<>@\s]+\.[^<>@\s]+))\Z"
)


def _mailbox(value: str) -> str:
    if not value.isprintable() or not _MAILBOX.match(value):
        raise ValueError("must be one mailbox, such as Example Shop <hello@shop.example>")
    return value


def _postal_address(value: str) -> str:
    # An empty one would make every marketing mail unlawful in the US (CAN-SPAM, 15 USC 7704).
    if not value.strip() or not value.replace("\n", " ").isprintable():
        raise ValueError("must say where the sender can be found by post")
    return value.strip()


def _freshness(value: str) -> str:
    expected_hours(value)
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^\S+$")]
DocumentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]*[^\s?#/]$")]


class Settings(BaseModel):
    """The settings of one function; the template gives every function all of them."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    stage: DocumentName = Field(description="Names the deployment in logs and metrics.")
    profiles_table: Name = Field(description="Facts, contacts, orders, messages, addresses.")
    decisions_table: Name = Field(description="Decision records and sessions.")
    effects_table: Name = Field(description="The ledger of effects, coupons and live codes.")
    control_table: Name = Field(description="API keys, kill switches, drops.")
    signals_table: Name = Field(description="The catalogue, with stock and demand.")
    drops_bucket: Name = Field(description="Where files are dropped.")
    results_bucket: Name = Field(description="Where their results go.")
    effects_queue_url: Name = Field(description="The queue from which effects are performed.")
    bus_name: Name = Field(description="The event bus for other systems.")
    configuration_set: Name = Field(description="The SES configuration set of every mail.")
    sender: Annotated[str, AfterValidator(_mailbox)] = Field(
        description="The From mailbox of every mail; its identity must be verified with SES."
    )
    postal_address: Annotated[
        str, StringConstraints(max_length=LONGEST_POSTAL_ADDRESS), AfterValidator(_postal_address)
    ] = Field(description="The sender's postal address, at the end of every mail.")
    public_url: Url = Field(description="Base URL of the API with its stage, no trailing slash.")
    signing_keys_parameter: Name = Field(description="The SSM SecureString with the signing keys.")
    model: DocumentName = Field(
        default="cdnow-1.0.0", description="NAME-VERSION of the packaged model that serves."
    )
    scorer: Literal["portable", "joblib"] = Field(
        default="portable", description="Which engine serves it."
    )
    policy: DocumentName = Field(default="default", description="The policy that decides.")
    mail_events_topic: Name = Field(
        description="ARN of the only SNS topic whose mail events are believed."
    )
    mail_events_queue_url: Name = Field(
        description="The queue of mail events, to which what failed comes back without addresses."
    )
    mail_events_dead_letters_url: Name = Field(
        description="Where mail events wait that failed five times."
    )
    mails_per_second: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The account's rate; without it sending is not paced."
    )
    mails_per_day: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The account's quota in 24 hours; without it none is kept."
    )
    drop_writes_per_second: Annotated[int, Field(ge=1)] = Field(
        default=1_000,
        description="Items that one function writes in a second for a file, at most.",
    )
    shop_url: Url | None = Field(
        default=None, description="Where the button of a mail leads; without it there is none."
    )

    fresh_within_hours: Annotated[str, AfterValidator(_freshness)] = Field(
        default="",
        description="How old each source may be, such as events=24,orders=30; else nothing rings.",
    )
    drop_memory_mb: Annotated[int, Field(ge=64)] = Field(
        default=512, description="What DuckDB may hold of a file before it spills to disk."
    )
    divide_above_bytes: Annotated[int, Field(ge=1)] = Field(
        default=64_000_000, description="A dropped file that is larger is divided."
    )
    parts_at_once: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=0, description="How many parts of it are worked on at once; 0 divides nothing."
    )
    drops_queue_url: Name | None = Field(
        default=None,
        description="The queue of files, where simulations wait; without it none can be asked for.",
    )
    divided_drops_machine: Name | None = Field(
        default=None, description="ARN of the state machine that works on divided files."
    )

    @property
    def tables(self) -> Mapping[Table, str]:
        """The name of each table."""
        return {
            "profiles": self.profiles_table,
            "decisions": self.decisions_table,
            "effects": self.effects_table,
            "control": self.control_table,
            "signals": self.signals_table,
        }


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Check the environment; raises Broken naming every variable that is missing or wrong."""
    # An empty variable is one that was not set: CloudFormation cannot leave one out.
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        # The value itself is left out: it may hold an address.
        faults = (
            f"{variable_of(str(each['loc'][0]))}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise Broken("settings: " + "; ".join(faults)) from None
