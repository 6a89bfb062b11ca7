"""``python -m ops cost``: dollars for a million of each thing, for idling, and for 100 million.

Every flow is played once on an AWS in memory, and every call is billed as AWS bills it, from the
items as they were really written; prices stand in ``ops/prices.toml`` with their sources.
Reading order: ``rehearsal`` plays, ``recorder`` and ``meter`` count, ``calls`` and ``units`` say
what AWS bills, ``work`` and ``flows`` say what one thing takes, ``idle`` and ``plan`` the rest,
``account`` puts it together.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

LEAST_SAMPLE = 45
WIDTH = 130  # the widest table


@click.command()
@click.option(
    "--prices",
    "prices_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another price table.  [default: ops/prices.toml]",
)
@click.option("--json", "only_json", is_flag=True, help="Print the totals alone, as one line.")
@click.option(
    "--sample",
    type=click.IntRange(LEAST_SAMPLE, 2357),
    default=120,
    show_default=True,
    help="Customers of CDNOW's sample that are measured.",
)
@click.option(
    "--customers",
    type=click.IntRange(1),
    default=100_000_000,
    show_default=True,
    help="Of the plan.",
)
@click.option(
    "--orders-per-customer",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    help="Of the plan.",
)
@click.option(
    "--parts-at-once",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Functions that the plan runs at the same time.",
)
@click.option(
    "--write-rate",
    type=click.FloatRange(0, min_open=True),
    default=36_000,
    show_default=True,
    help="Write units a second that the plan gives one table.",
)
@click.option(
    "--architecture",
    type=click.Choice(["x86_64", "arm64"]),
    default="x86_64",
    show_default=True,
    help="Whose GB-seconds are billed; the package is for x86_64.",
)
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write SVG files into this folder.",
)
def cost(
    prices_file: Path | None,
    only_json: bool,
    sample: int,
    customers: int,
    orders_per_customer: float,
    parts_at_once: int,
    write_rate: float,
    architecture: str,
    plots: Path | None,
) -> None:
    """Say what a stage costs: a million of each thing, a month of idling, 100 million customers."""
    # Not for --help: moto, matplotlib and Chalice's packager take seconds.
    from rich.console import Console  # noqa: PLC0415

    from ops.cost.account import account, figures  # noqa: PLC0415
    from ops.cost.assumptions import Assumptions  # noqa: PLC0415
    from ops.cost.plan import Wanted  # noqa: PLC0415
    from ops.cost.prices import PRICES, read_prices  # noqa: PLC0415
    from ops.cost.telling import tell  # noqa: PLC0415

    wanted = Wanted(
        customers=customers,
        orders_per_customer=orders_per_customer,
        parts_at_once=parts_at_once,
        write_rate=write_rate,
        architecture=architecture,
    )
    told = account(
        read_prices(prices_file or PRICES),
        sample=sample,
        wanted=wanted,
        assumptions=Assumptions(architecture=architecture),
    )
    if plots is not None:
        from ops.cost.plots import plot  # noqa: PLC0415

        for path in plot(told, plots):
            click.echo(f"wrote {path}", err=True)
    if not only_json:
        tell(told, Console(width=max(WIDTH, Console().width)))
    click.echo(json.dumps(figures(told)))
