"""Parameters as tables: one row per scenario, per scenario and track, per scenario and band of beneficiaries."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.steps import Source

_SHARE = pa.decimal128(7, 6)
_RATES_OF_TRACK = (
    "maximum_sharing_rate",
    "performance_payment_limit_share",
    "fixed_loss_rate",
    "lowest_loss_rate",
    "highest_loss_rate",
    "loss_limit_revenue_share",
)
_LIMIT = "loss_limit_share"
TRACK_QUANTITIES = ("is_two_sided", *_RATES_OF_TRACK, _LIMIT)
"""Parameters that depend on the track; the limit of losses of Track 2 on the year too."""

PROGRAM_QUANTITIES = (
    "reduced_sharing_multiplier",
    "sequestration_reduction",
    "emergency_months",
    "high_revenue_share",
)
_COUNTS = ("reduced_sharing_least_beneficiaries", "reduced_sharing_first_start_year", "emergency_months")
_SHARES = (
    "high_revenue_share",
    "elected_rate_increment",
    "highest_elected_rate",
    "reduced_sharing_multiplier",
    "sequestration_reduction",
)
_FLAGS = ("guardrail_withholds_savings",)
_PROGRAM = pa.schema(
    [("scenario_id", pa.string())]
    + [(name, _SHARE) for name in _SHARES]
    + [(name, pa.int64()) for name in _COUNTS]
    + [(name, pa.bool_()) for name in _FLAGS]
    + [("emergency_share", pa.decimal128(18, 12)), ("losses_per_relief", pa.decimal128(9, 6))]
    + [("guardrail_unverified", pa.string()), ("emergency_unverified", pa.string())]
)
_TRACK = pa.schema(
    [("scenario_id", pa.string()), ("track", pa.string()), ("is_two_sided", pa.bool_())]
    + [("is_reduced_sharing_offered", pa.bool_())]
    + [(name, _SHARE) for name in _RATES_OF_TRACK]
    + [("savings_unverified", pa.string()), ("losses_unverified", pa.string())]
)
_LIMITS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("loss_limit_key", pa.string()),
        (_LIMIT, _SHARE),
        ("limit_unverified", pa.string()),
    ]
)
TRACK_COLUMNS = tuple(_TRACK.names[2:])
LIMIT_COLUMNS = tuple(_LIMITS.names[2:])
"""Columns that are looked up by the track and by the key of the limit of losses."""

_BANDS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("band_first", pa.int64()),
        ("band_last", pa.int64()),
        ("minimum_savings_rate_from", _SHARE),
        ("minimum_savings_rate_to", _SHARE),
    ]
)


def program_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters of the program as a whole: scenario.

    Raises
    ------
    UsageError
        If a value has more decimals than the arithmetic keeps, or the year has more than twelve months.
    """
    rows = []
    for scenario in scenarios:
        months = scenario.value("emergency_months")
        if months > 12:
            where, what = f"scenario {scenario.scenario_id}", "emergency_months must be at most 12"
            raise UsageError(Problem(what, where, "change the value", examples=(f"emergency_months={months}",)))
        rows.append(
            {
                "scenario_id": scenario.scenario_id,
                **{name: scenario.value(name) for name in (*_SHARES, *_COUNTS, *_FLAGS)},
                "emergency_share": (months / 12).quantize(Decimal(10) ** -12),
                # Rounded up, because it serves as an upper bound.
                "losses_per_relief": (12 / months).quantize(Decimal(10) ** -6, "ROUND_UP") if months else None,
                "guardrail_unverified": scenario.unverified([("guardrail_withholds_savings", "")]),
                "emergency_unverified": scenario.unverified([("emergency_months", "")]),
            }
        )
    return parameter_table(rows, _PROGRAM)


def track_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters of each track of the period: scenario × track."""
    rows = []
    for scenario in scenarios:
        for track in scenario.keyed("is_two_sided"):
            savings = [(name, track) for name in ("maximum_sharing_rate", "performance_payment_limit_share")]
            losses = [(name, track) for name in ("fixed_loss_rate", "lowest_loss_rate", "highest_loss_rate")]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "track": track,
                    "is_two_sided": scenario.value("is_two_sided", track),
                    "is_reduced_sharing_offered": bool(scenario.value("is_reduced_sharing_offered", track)),
                    **{name: scenario.value(name, track) for name in _RATES_OF_TRACK},
                    "savings_unverified": scenario.unverified([*savings]),
                    "losses_unverified": scenario.unverified([*losses, ("loss_limit_revenue_share", track)]),
                }
            )
    return parameter_table(rows, _TRACK)


def loss_limits(scenarios: Sequence[Scenario]) -> pa.Table:
    """Largest losses as a share of the benchmark: scenario × track or, in Track 2, year of participation."""
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "loss_limit_key": key,
            _LIMIT: share,
            "limit_unverified": scenario.unverified([(_LIMIT, key)]),
        }
        for scenario in scenarios
        for key, share in scenario.keyed(_LIMIT).items()
    ]
    return parameter_table(rows, _LIMITS)


def minimum_rate_bands(scenarios: Sequence[Scenario]) -> pa.Table:
    """Minimum savings rates by number of beneficiaries: scenario × band; the last band has no end."""
    rows = []
    for scenario in scenarios:
        low, high = (scenario.keyed(f"minimum_savings_rate_{end}") for end in ("from", "to"))
        firsts = sorted(int(first) for first in low)
        for first, following in zip(firsts, [*firsts[1:], None], strict=True):
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "band_first": first,
                    "band_last": None if following is None else following - 1,
                    "minimum_savings_rate_from": low[str(first)],
                    "minimum_savings_rate_to": high[str(first)],
                }
            )
    return parameter_table(rows, _BANDS)


def track_sources(scenarios: Sequence[Scenario]) -> list[Source]:
    """Citations of the parameters that depend on the track, which takes the place of a domain in the steps."""
    return [
        Source(scenario.scenario_id, name, "", key, cited.cite)
        for scenario in scenarios
        for name in TRACK_QUANTITIES
        for key, cited in scenario.parameters[name].values.items()
    ]
