"""The commands ``openvbp forecast`` and ``openvbp break-even``."""

from __future__ import annotations

import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, show

if TYPE_CHECKING:
    from openvbp.forecasting.break_even import BreakEven
    from openvbp.settlement_forecast import Forecast

app = typer.Typer()


@app.command()
def forecast(
    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="Contract file.")],
    data: Annotated[Path, typer.Option(help="Folder with the contract's tables and monthly claims and members.")],
    period: Annotated[str, typer.Option(help="Performance period; a contract may have only one.")] = "",
    trend: Annotated[str, typer.Option(help="Growth of cost per member a year, for example 0.04.")] = "0",
    probability: Annotated[float, typer.Option(min=0.5, max=0.99, help="That the year ends in the interval.")] = 0.8,
    json_: Json = False,
) -> None:
    """Project a contract's year that is not over, and settle it at the low, expected and high end."""
    import dataclasses

    from openvbp.settlement_forecast import forecast as forecast_contract

    with tempfile.TemporaryDirectory(prefix="openvbp-forecast-") as folder:
        found = forecast_contract(
            contract,
            period=period,
            data=data,
            out=Path(folder),
            annual_trend=_decimal(trend, "--trend"),
            probability=probability,
        )
    show(dataclasses.asdict(found), _forecast_text(found, probability), json_)


@app.command("break-even")
def break_even(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a finished run of mssp, aco_reach or a contract.")
    ],
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="Provider id.")],
    fixed_cost: Annotated[str, typer.Option(help="What participation costs in the period.")],
    json_: Json = False,
) -> None:
    """Find the savings rate from which on participation pays, given its own cost."""
    import dataclasses

    from openvbp.run_folder import open_run
    from openvbp.settlement_forecast import break_even_of

    opened = open_run(run)
    found = break_even_of(opened, provider, _decimal(fixed_cost, "--fixed-cost"))
    show(dataclasses.asdict(found), _break_even_text(found, f"{opened.title}, {provider}"), json_)


def _decimal(text: str, where: str) -> Decimal:
    try:
        number = Decimal(text.replace(",", ""))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UsageError(Problem(f"'{text}' is not a number", where, "write for example 0.04 or 250000"))
    return number


def _forecast_text(found: Forecast, probability: float) -> str:
    lines = [found.title, f"claims paid through {found.paid_through:%Y-%m}", ""]
    header = ("population", "paid", "completed", "to come", "low", "expected", "high")
    rows = [
        (
            name,
            *(f"{amount:,.2f}" for amount in (one.paid, one.completed, one.remaining, one.low, one.expected, one.high)),
        )
        for name, one in found.projections.items()
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    lines += ["", f"net settlement, if the year's expenditures end between low and high ({probability:.0%} likely):"]
    for name, amount in found.settlement.items():
        lines.append(f"  {name + ':':<10}{'not determinable' if amount is None else f'{amount:,.2f}':>18}")
    return "\n".join(lines)


def _break_even_text(found: BreakEven, title: str) -> str:
    lines = [title, ""]
    if found.rate is None:
        lines.append(f"no savings up to half of the budget cover {found.fixed_cost:,.2f}")
    else:
        lines.append(
            f"participation that costs {found.fixed_cost:,.2f} pays from a savings rate of {found.rate:.4%} on: "
            f"the settlement is {found.net:,.2f}"
        )
        if (
            found.net_below is not None
            and found.net is not None
            and found.net - found.net_below > found.fixed_cost / 10
        ):
            lines.append(f"just below, it is {found.net_below:,.2f}: the settlement jumps there")
    if found.at_own_rate is not None:
        lines.append(f"at the provider's own savings it is {found.at_own_rate:,.2f}")
    lines += ["", "savings rate   settlement less cost"]
    for rate, net in found.curve:
        if Decimal("-0.05") <= rate <= Decimal("0.10"):
            lines.append(
                f"{rate:>12.0%}   {'not determinable' if net is None else f'{net - found.fixed_cost:,.2f}':>20}"
            )
    return "\n".join(lines)
