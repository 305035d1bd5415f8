"""Risk scores of the marketplaces (HHS-HCC): adults, children and infants, by metal level.

Order: codes to categories, by age and sex; hierarchies; groups, which take their categories' place; interactions and
counts; enrolment of less than half a year; for infants one cell of maturity and severity instead; the sum; the factor
of cost sharing.
Logic as in HHS's package in Python, read in a public copy of its part for variables and scores; it was not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.money import round_half_up_quotient
from openvbp.risk.marketplace_tables import MarketplaceTables, age_cell
from openvbp.risk.scoring import as_score

STEPS = ("code", "hierarchy", "group", "demographic", "condition", "interaction", "count", "infant")
_OLDEST = 60


@dataclass(frozen=True)
class MarketplaceScores:
    """What the model says of persons."""

    persons: ir.Table
    """One row per person: see :func:`score_marketplace`."""
    trace: ir.Table
    """One row per person, step and item: ``person_id``, ``step``, ``item``, ``source``, ``coefficient``."""


def score_marketplace(
    engine: Engine, tables: MarketplaceTables, persons: ir.Table, codes: ir.Table, name: str = "marketplace"
) -> MarketplaceScores:
    """Score persons.

    Parameters
    ----------
    engine
        Where to compute.
    tables
        Of the benefit year.
    persons
        One row per person: ``person_id``, ``age`` (completed years on the last day of enrolment), ``gender``
        (female, male), ``metal_level``, ``csr_indicator``, ``enrollment_months`` (7 stands for more than 6).
    codes
        ``person_id``, ``code_system`` (icd-10-cm, ndc, hcpcs), ``code``, that count.
    name
        Of the tables that are computed on the way.

    Returns
    -------
    Per person the columns given, ``age_group``, ``category_count``, ``raw_score`` and ``score``, after cost sharing, in
    three decimals, rounded half up; and the trace, whose coefficients add up to the raw score.
    """
    age_group = ibis.cases((persons.age >= 21, "adult"), (persons.age >= 2, "child"), else_="infant")
    placed = engine.compute(persons.mutate(age_group=age_group), f"{name}_persons")
    hits = engine.compute(_hits(engine, tables, placed, codes, name), f"{name}_hits")
    found = hits.select("person_id", "age_group", "category").distinct()
    drops = _dropped(_table(engine, tables, "hierarchies", name), found)
    dropped = engine.compute(drops, f"{name}_dropped")
    kept = engine.compute(found.anti_join(dropped, ["person_id", "category"]), f"{name}_kept")
    grouped = engine.compute(_grouped(_table(engine, tables, "groups", name), kept), f"{name}_grouped")
    after = kept.anti_join(grouped, ["person_id", "category"]).mutate(source=ibis.literal(""))
    after = ibis.union(after, grouped.select("person_id", "age_group", category="group", source="group").distinct())
    after = engine.compute(after.filter(_.age_group != "infant"), f"{name}_after")
    present = ibis.union(kept, after.select("person_id", "age_group", "category"), distinct=True)
    counted = engine.compute(_counted(engine, tables, placed, after, present, name), f"{name}_counted")
    variables = [
        _rows(placed.mutate(item=_cells(placed)).filter(_.item != ""), "demographic"),
        _rows(after.mutate(item=after.category), "condition"),
        _rows(_interactions(engine, tables, present, name), "interaction"),
        _rows(_bins(engine, tables, counted, name), "count"),
        _rows(_infants(engine, tables, placed, kept, name), "infant"),
    ]
    paid = engine.compute(_paid(engine, tables, ibis.union(*variables), placed, name), f"{name}_paid")
    return MarketplaceScores(_scores(engine, tables, placed, counted, paid, name), _trace(hits, dropped, grouped, paid))


def _table(engine: Engine, tables: MarketplaceTables, table: str, name: str) -> ir.Table:
    rows = tables.rows[table]
    columns = {"hierarchies": ("category", "drops"), "groups": ("age_group", "group", "category")}.get(table)
    names = columns or tuple(rows[0])
    filled = {one: pa.array([row[one] for row in rows], pa.string()) for one in names}
    return engine.table(pa.table(filled), f"{name}_{table}_rows")


def _hits(engine: Engine, tables: MarketplaceTables, placed: ir.Table, codes: ir.Table, name: str) -> ir.Table:
    """Codes that give a category to a person of that age and sex, and that the person's model knows."""
    listed = [
        (
            "icd-10-cm",
            row["diagnosis_code"].upper().replace(".", ""),
            row["category"],
            row["gender"] or None,
            *(int(row[bound]) if row[bound] else None for bound in ("age_from", "age_to")),
        )
        for row in tables.rows["diagnoses"]
    ]
    listed += [(row["code_system"], row["code"], row["category"], None, None, None) for row in tables.rows["drugs"]]
    names = ("code_system", "code", "category", "of_gender", "age_from", "age_to")
    types = (*(pa.string(),) * 4, pa.int64(), pa.int64())
    columns = zip(names, zip(*listed, strict=True), types, strict=True)
    mapping = engine.table(
        pa.table({one: pa.array(list(cells), kind) for one, cells, kind in columns}), f"{name}_mapping"
    )
    known = sorted(
        {(group, variable) for group, variable, _metal in tables.factors}
        | {(row["age_group"], row["category"]) for row in tables.rows["groups"]}
        | {("infant", row["category"]) for row in tables.rows["infants"]}
    )
    allowed = engine.table(
        pa.table({"age_group": [one for one, _other in known], "category": [other for _one, other in known]}),
        f"{name}_known",
    )
    code = codes.code.upper().replace(".", "").strip()
    rows = codes.mutate(code=code).inner_join(mapping, ["code_system", "code"])
    rows = rows.inner_join(placed.select("person_id", "age", "gender", "age_group"), "person_id")
    fits = rows.filter(
        (_.of_gender.isnull() | (_.of_gender == _.gender))
        & (_.age_from.isnull() | (_.age >= _.age_from))
        & (_.age_to.isnull() | (_.age <= _.age_to))
    )
    return (
        fits.semi_join(allowed, ["age_group", "category"])
        .select("person_id", "age_group", "category", "code")
        .distinct()
    )


def _dropped(pairs: ir.Table, found: ir.Table) -> ir.Table:
    """Categories that another one drops, each with one that does."""
    above = found.select("person_id", "category").inner_join(pairs, "category")
    below = above.select("person_id", parent="category", category="drops").inner_join(
        found.select("person_id", "category"), ["person_id", "category"]
    )
    return below.group_by("person_id", "category").agg(parent=_.parent.min())


def _grouped(groups: ir.Table, kept: ir.Table) -> ir.Table:
    return kept.inner_join(groups, ["age_group", "category"]).select("person_id", "age_group", "category", "group")


def _counted(
    engine: Engine, tables: MarketplaceTables, placed: ir.Table, after: ir.Table, present: ir.Table, name: str
) -> ir.Table:
    """Per person the number of categories of diagnoses, and whether there is one of the lists."""
    of_diagnoses = {row["category"] for row in tables.rows["diagnoses"]} | tables.values("groups", "group")
    counts = engine.table(pa.table({"category": sorted(of_diagnoses)}), f"{name}_of_diagnoses")
    lists = engine.table(
        pa.table(
            {
                column: pa.array([row[given] for row in tables.rows["lists"]], pa.string())
                for column, given in (("age_group", "age_group"), ("category", "item"), ("list", "list"))
            }
        ),
        f"{name}_lists",
    )
    out = lists.filter(_["list"] == "not_counted").select("age_group", "category")
    number = after.semi_join(counts, "category").anti_join(out, ["age_group", "category"])
    number = number.group_by("person_id").agg(category_count=_.category.nunique())
    flags = present.inner_join(lists, ["age_group", "category"]).group_by("person_id")
    flags = flags.agg(**{f"is_{one}": (_["list"] == one).any() for one in ("severe", "transplant")})
    rows = placed.left_join(number, "person_id").drop("person_id_right")
    rows = rows.left_join(flags, "person_id").drop("person_id_right")
    return rows.select(
        "person_id",
        "age_group",
        "enrollment_months",
        category_count=_.category_count.fill_null(0),
        is_severe=_.is_severe.fill_null(False),  # noqa: FBT003
        is_transplant=_.is_transplant.fill_null(False),  # noqa: FBT003
    )


def _cells(placed: ir.Table) -> ir.StringValue:
    sex = ibis.ifelse(placed.gender == "female", "F", "M")
    names = {age: age_cell(age) for age in range(2, _OLDEST + 1)}
    starts = [age for age in names if age == 2 or names[age] != names[age - 1]]
    of_age = ibis.cases(*((placed.age >= age, names[age]) for age in reversed(starts)), else_="")
    return ibis.ifelse(placed.age_group == "infant", "", sex + "AGE_LAST_" + of_age)


def _interactions(engine: Engine, tables: MarketplaceTables, present: ir.Table, name: str) -> ir.Table:
    """Interactions of which every part has at least one of its items."""
    rows = tables.rows["interactions"]
    columns = {"age_group": "age_group", "variable": "variable", "part": "part", "category": "item"}
    filled = {column: pa.array([row[given] for row in rows], pa.string()) for column, given in columns.items()}
    parts = engine.table(pa.table(filled), f"{name}_interaction_rows")
    needed = parts.group_by("age_group", "variable").agg(needed=_.part.nunique())
    there = present.inner_join(parts, ["age_group", "category"]).group_by("person_id", "age_group", "variable")
    rows_there = there.agg(there=_.part.nunique()).inner_join(needed, ["age_group", "variable"])
    return rows_there.filter(_.there == _.needed).select("person_id", item="variable")


def _bins(engine: Engine, tables: MarketplaceTables, counted: ir.Table, name: str) -> ir.Table:
    listed = [(one.age_group, one.variable, one.asks, one.least, one.most) for one in tables.bins]
    names = ("bin_group", "item", "asks", "least", "most")
    types = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64())
    columns = {one: pa.array([row[place] for row in listed], types[place]) for place, one in enumerate(names)}
    rows = counted.cross_join(engine.table(pa.table(columns), f"{name}_bins"))
    number = ibis.ifelse(rows.asks == "months", rows.enrollment_months, rows.category_count)
    is_there = ibis.cases(
        (rows.asks == "severe", rows.is_severe),
        (rows.asks == "transplant", rows.is_transplant),
        else_=rows.category_count > 0,
    )
    return rows.filter((rows.age_group == rows.bin_group) & is_there & number.between(rows.least, rows.most)).select(
        "person_id", "item"
    )


def _infants(engine: Engine, tables: MarketplaceTables, placed: ir.Table, kept: ir.Table, name: str) -> ir.Table:
    """Cells of infants: maturity by severity, and boys by age; without a diagnosis of birth a newborn counts as one."""
    rows = tables.rows["infants"]
    columns = {one: pa.array([row[one] for row in rows], pa.string()) for one in ("kind", "level", "category")}
    columns["rank"] = pa.array([int(row["rank"]) for row in rows], pa.int64())
    levels = engine.table(pa.table(columns), f"{name}_infants")
    found = kept.filter(_.age_group == "infant").inner_join(levels, "category")
    first = ibis.row_number().over(group_by=["person_id", "kind"], order_by=["rank", "category"])
    best = found.mutate(place=first).filter(_.place == 0)
    infants = placed.filter(_.age_group == "infant").select("person_id", "age", "gender")
    for kind in ("maturity", "severity"):
        one = best.filter(best.kind == kind).select("person_id", **{kind: "level"})
        infants = infants.left_join(one, "person_id").drop("person_id_right")
    is_newborn = (infants.age == 0) & infants.maturity.notnull()
    named = infants.mutate(
        maturity=ibis.ifelse(is_newborn, infants.maturity, "AGE1"), severity=infants.severity.fill_null("SEVERITY1")
    )
    cells = named.select("person_id", item=named.maturity + "_X_" + named.severity)
    boys = named.filter(_.gender == "male")
    return ibis.union(
        cells, boys.select("person_id", item=ibis.ifelse(boys.maturity == "AGE1", "AGE1_MALE", "AGE0_MALE"))
    )


def _rows(rows: ir.Table, step: str) -> ir.Table:
    return rows.select("person_id", "item", step=ibis.literal(step))


def _paid(engine: Engine, tables: MarketplaceTables, variables: ir.Table, placed: ir.Table, name: str) -> ir.Table:
    keys = list(tables.factors)
    columns = {one: [key[place] for key in keys] for place, one in enumerate(("age_group", "item", "metal_level"))}
    units = pa.array(list(tables.factors.values()), pa.int64())
    factors = engine.table(pa.table({**columns, "units": units}), f"{name}_factors")
    rows = variables.inner_join(placed.select("person_id", "age_group", "metal_level"), "person_id")
    joined = rows.left_join(factors, ["age_group", "item", "metal_level"])
    return joined.select("person_id", "step", "item", "age_group", "metal_level", units=_.units.fill_null(0))


def _scores(
    engine: Engine, tables: MarketplaceTables, placed: ir.Table, counted: ir.Table, paid: ir.Table, name: str
) -> ir.Table:
    sharing = {"csr_indicator": list(tables.cost_sharing), "cost_sharing": list(tables.cost_sharing.values())}
    shares = engine.table(pa.table(sharing), f"{name}_sharing")
    sums = paid.group_by("person_id").agg(raw_units=_.units.sum().cast("int64"))
    rows = placed.inner_join(sums, "person_id").inner_join(shares, "csr_indicator")
    rows = rows.inner_join(counted.select("person_id", "category_count"), "person_id")
    # Sums can be below zero; the division rounds half away from zero.
    size = round_half_up_quotient(rows.raw_units.abs() * rows.cost_sharing, ibis.literal(1000, "int64"))
    units = ibis.ifelse(rows.raw_units < 0, -size, size)
    kept = [column for column in placed.columns if column not in ("raw_score", "score")]
    return rows.select(*kept, "category_count", raw_score=as_score(rows.raw_units), score=as_score(units))


def _trace(hits: ir.Table, dropped: ir.Table, grouped: ir.Table, paid: ir.Table) -> ir.Table:
    nothing = ibis.null("decimal(18, 3)")

    def rows(table: ir.Table, step: str, item: str, source: str) -> ir.Table:
        return table.select(
            "person_id", step=ibis.literal(step), item=table[item], source=table[source], coefficient=nothing
        )

    parts = [
        rows(hits, "code", "category", "code"),
        rows(dropped, "hierarchy", "category", "parent"),
        rows(grouped, "group", "category", "group"),
        paid.select("person_id", "step", "item", source="metal_level", coefficient=as_score(paid.units)),
    ]
    return reduce(lambda one, other: ibis.union(one, other), parts)
