"""A run's result tables as they may be published: no small count of patients, and nothing that gives one back.

The rule, in order:

1. A measure of a provider is withheld whole where its numerator, its denominator or their difference is above zero and
   below the smallest cell; so is every other count of patients among the steps. Zero stays: it names nobody.
2. Where a count is withheld from one provider alone, of all providers, of a peer group or of a state, that of a second
   provider is withheld too: a total that somebody else publishes must not give it back.
3. All that was made from a withheld count is withheld, along the steps (:mod:`openvbp.reporting.disclosure_chain`):
   rates, points, scores, amounts of money, notes. Ranks and percentiles are withheld for everybody where a score is.
4. Of intervals from draws, that of a measure goes with its count, and that of a payment with any measure of the
   provider: its width follows from the cases.
5. What stays does not change when withheld counts change to others that are withheld too and leave points at the same
   end: nothing about them can be computed from it but that.

Sources: CMS Cell Size Suppression Policy, version of 26 January 2024 (resdac.org): no cell of 1 to 10, none that can be
derived by percentages or other formulas, excluded cases included, zero allowed. Scottish QOF files print no count
below 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.reporting.disclosure_cells import Place, SmallCells, StepRow, place_of, small_cells
from openvbp.reporting.disclosure_chain import MONEY, Chain
from openvbp.reporting.disclosure_masks import Values, Withheld, blank, reason, rounded
from openvbp.run_folder import RunFolder

SMALLEST_CELL = 11
"""The smallest count that is published if nothing else is asked for (CMS Cell Size Suppression Policy)."""

_OF_MEASURES = (
    *("scenario_id", "provider_id", "measure_id", "domain_id", "numerator", "denominator"),
    *("rate", "points", "maximum_points"),
)


@dataclass(frozen=True)
class PublicTables:
    """Result tables that may be published, and what was withheld from them."""

    tables: dict[str, pa.Table]
    smallest_cell: int
    suppressed: dict[str, int]
    """Cells by why: ``primary``, ``derived``, ``complementary``. For the publisher, not for publication."""

    @property
    def reason(self) -> str:
        """What stands beside a cell that was withheld."""
        return reason(self.smallest_cell)

    @property
    def summary(self) -> str:
        """The numbers of suppressed cells of all tables in a line."""
        numbers = ", ".join(f"{count:,} {kind}" for kind, count in self.suppressed.items())
        return f"suppressed in all tables (smallest cell {self.smallest_cell}): {numbers}"


def public_tables(run: RunFolder, smallest_cell: int = SMALLEST_CELL) -> PublicTables:
    """Withhold small counts of patients and all that gives one back.

    Parameters
    ----------
    run
        A finished run.
    smallest_cell
        The smallest count that may be published: 11 for CMS, 5 in Scottish files.

    Returns
    -------
    All result tables of the run, in the same shape. A cell that is withheld is null; its row has the status
    ``suppressed`` and says why.

    Raises
    ------
    UsageError
        If ``smallest_cell`` is below 3: a count that is withheld could then only be 1.

    Examples
    --------
    >>> public_tables(open_run(Path("RUN"))).suppressed  # doctest: +SKIP
    """
    return withhold({name: run.read(name) for name in run.tables}, smallest_cell)


def asked_for(run: RunFolder, *, is_public: bool, smallest_cell: int | None) -> PublicTables | None:
    """Make the public tables if a command asked for them.

    Raises
    ------
    UsageError
        If a smallest cell is given for tables that are not for publication.
    """
    if is_public:
        return public_tables(run, SMALLEST_CELL if smallest_cell is None else smallest_cell)
    if smallest_cell is not None:
        raise UsageError(Problem("only public exports have a smallest cell", "--smallest-cell", "add --public"))
    return None


def withhold(tables: Mapping[str, pa.Table], smallest_cell: int = SMALLEST_CELL) -> PublicTables:
    """Do for tables at hand what :func:`public_tables` does for a run."""
    if smallest_cell < 3:
        raise UsageError(
            Problem(
                f"{smallest_cell} hides nothing", "--smallest-cell", "give 3 or more: 11 for CMS, 5 for Scottish files"
            )
        )
    found = _find(tables, smallest_cell)
    suppressed = dict.fromkeys(("primary", "derived", "complementary"), 0)
    public = {name: blank(name, table, found, smallest_cell, suppressed) for name, table in tables.items()}
    return PublicTables(public, smallest_cell, suppressed)


def _find(tables: Mapping[str, pa.Table], smallest_cell: int) -> Withheld:
    """Find what is withheld, in every scenario."""
    measures = _rows(tables, "measure_result", _OF_MEASURES)
    steps = _step_rows(tables)
    groups = {
        row["provider_id"]: tuple(f"{name}={row[name]}" for name in ("peer_group", "state") if row[name])
        for row in _rows(tables, "provider", ("provider_id", "peer_group", "state"))
    }
    cells = small_cells(measures, steps, groups, smallest_cell)
    places = cells.all
    sides, unsettled = _sides(measures)
    by_scenario: dict[str, list[StepRow]] = defaultdict(list)
    for step in steps:
        by_scenario[step.scenario_id].append(step)
    withheld: set[int] = set()
    for scenario_id, found in by_scenario.items():
        here = {place[1:]: value for place, value in sides.items() if place[0] == scenario_id}
        flowing = {
            _place(row) for row in measures if row["scenario_id"] == scenario_id and _is_open(row, sides, unsettled)
        }
        withheld |= Chain(found, places, here, unsettled, flowing).follow()
    of_measures = {(step.scenario_id, step.place) for step in steps if step.row in withheld and step.measure_id}
    of_measures |= {(row["scenario_id"], place) for row in measures for place in (_place(row),) if place in places}
    opened = {
        (row["scenario_id"], row["provider_id"], row["domain_id"])
        for row in measures
        if (row["scenario_id"], _place(row)) in of_measures and _is_open(row, sides, unsettled)
    }
    return _withheld(cells, steps, withheld, of_measures, opened, measures)


def _place(row: Mapping[str, Any]) -> Place:
    return place_of(row["provider_id"], row["measure_id"], None)


def _rows(tables: Mapping[str, pa.Table], name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    return tables[name].select(columns).to_pylist() if name in tables else []


def _step_rows(tables: Mapping[str, pa.Table]) -> list[StepRow]:
    if "step_result" not in tables:
        return []
    names = [name for name in StepRow._fields if name not in ("row", "inputs", "place")]
    columns = {name: tables["step_result"][name].to_pylist() for name in (*names, "inputs")}
    inputs = {text: tuple(text.split()) for text in set(columns["inputs"])}
    places: dict[tuple[str, str | None, str | None], Place] = {}
    of_rows = [
        places.setdefault(key, place_of(*key))
        for key in zip(columns["provider_id"], columns["measure_id"], columns["domain_id"], strict=True)
    ]
    split = (inputs[text] for text in columns.pop("inputs"))
    rows = zip(*columns.values(), split, of_rows, strict=True)
    return [StepRow(number, *row) for number, row in enumerate(rows)]


def _withheld(
    cells: SmallCells,
    steps: Sequence[StepRow],
    rows: Set[int],
    of_measures: Set[tuple[str, Place]],
    opened: Set[tuple[str, str, str | None]],
    results: Sequence[Mapping[str, Any]],
) -> Withheld:
    """Turn withheld steps into withheld rows of the other tables.

    ``opened`` lists scenario, provider and domain of withheld measures that flow into totals. In a scenario without
    steps, scores and payments of such a provider are withheld, and so are those of a provider with other small counts.
    """
    without_steps = {row["scenario_id"] for row in results} - {step.scenario_id for step in steps}
    coarse = [place for place in cells.all if not place.measure_id]
    opened = opened | {(scenario, place.provider_id, place.domain_id) for scenario in without_steps for place in coarse}
    of_domains = {(scenario, place_of(provider, None, domain)) for scenario, provider, domain in opened}
    values: dict[tuple[str, str], Values] = defaultdict(Values)
    parameters: dict[tuple[str, Place], set[Decimal]] = defaultdict(set)
    for scenario, provider, _ in opened:
        values[(scenario, provider)].reaches_totals = True
    for step in steps:
        known = values[(step.scenario_id, step.provider_id)]
        is_withheld = step.row in rows
        if is_withheld and (step.measure_id is None or step.unit in MONEY):
            known.reaches_totals = True
            of_domains.add((step.scenario_id, step.place))
            known.withheld |= {rounded(step.value)} if step.value is not None else set()
        elif not is_withheld and step.value is not None:
            known.staying.add(rounded(step.value))
            if step.measure_id:
                parameters[(step.scenario_id, step.place)].add(rounded(step.value))
    return Withheld(
        cells=cells,
        steps=[step for step in steps if step.row in rows],
        measures=of_measures,
        domains=of_domains,
        values=dict(values),
        measured={(row["scenario_id"], row["provider_id"]) for row in results},
        parameters=parameters,
        closed={(scenario, provider) for scenario, provider, _ in opened if scenario in without_steps},
    )


def _sides(
    measures: Sequence[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str, str], Decimal], set[tuple[str, str]]]:
    """Find points at their floor or maximum, and measures whose points are not on one side in all scenarios."""
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    sides = {}
    for row in measures:
        points, maximum = row["points"], row["maximum_points"]
        measure = (row["provider_id"], row["measure_id"])
        if points is None or maximum is None or points not in (0, maximum):
            kinds[measure].add("missing" if points is None else "between")
            continue
        kinds[measure].add("zero" if points == 0 else "full")
        sides[(row["scenario_id"], *measure)] = points
    unsettled = {measure for measure, found in kinds.items() if len(found) > 1}
    return {place: points for place, points in sides.items() if place[1:] not in unsettled}, unsettled


def _is_open(
    row: Mapping[str, Any], sides: Mapping[tuple[str, str, str], Decimal], unsettled: Set[tuple[str, str]]
) -> bool:
    """Whether a measure's points, or its rate where it has none, are neither missing nor at an end."""
    measure = (row["provider_id"], row["measure_id"])
    is_missing = row["points"] is None and row["rate"] is None and measure not in unsettled
    return not is_missing and (row["scenario_id"], *measure) not in sides
