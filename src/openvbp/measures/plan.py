"""Evaluates all measures of a run in one plan.

Events are matched to the codes of all measures at once; what matches is matched to the windows of each subject and
added up, one row per subject and element; only then are measures told apart, as columns of one wide row per subject. A
further measure costs a few columns, not another reading of the events.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import kept_table
from openvbp.measures import hits
from openvbp.measures.domains import event_columns
from openvbp.measures.elements import Element, Elements, gather, is_of_period
from openvbp.measures.enrollment import gaps_of, merged_spans
from openvbp.measures.event_data import EventData
from openvbp.measures.expressions import Translator, column_of
from openvbp.measures.index_choice import choose_indices
from openvbp.measures.matching import matched_events
from openvbp.measures.measure import Measure
from openvbp.measures.statuses import OUTSIDE, status_column
from openvbp.measures.value_sets import ValueSet
from openvbp.measures.values import PERSON_FIELDS, Enrolled, EnrolledDays, IndexField
from openvbp.measures.window_days import windows_of_periods, windows_of_subjects
from openvbp.periods import Period

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Evaluated:
    """Measures on persons, or all measures on episodes, evaluated.

    Attributes
    ----------
    measures
        In the order of their numbers.
    table
        One row per subject: ``subject``, ``person_id``, ``period`` (number of the period), ``index_event_id``,
        ``index_facility_id`` and ``index_start`` (null where subjects are persons); and for each measure number k
        ``status_k`` (:mod:`openvbp.measures.statuses`), and where it has them ``numerator_value_k``,
        ``denominator_value_k``, ``stratum_k_<n>`` and ``rule_k_<n>`` (the ordered rule at which a subject stopped).
        Measures on episodes share the table: an event is as many subjects as it is the index of, and outside the
        measures of other indices.
    """

    measures: list[Measure]
    table: ir.Table
    codes_found: dict[str, int]
    """Value set to how many codes that it lists stand in the events; none means that nobody could be found by it."""


def evaluate(
    data: EventData,
    measures: Iterable[Measure],
    sets: Mapping[str, ValueSet],
    periods: Sequence[Period],
    scratch: Path | None = None,
) -> list[Evaluated]:
    """Evaluate measures for periods; one result for measures on persons, one for those on episodes.

    Parameters
    ----------
    data
        Persons, enrolment and events.
    measures, sets
        What to evaluate; every value set must be there (:func:`openvbp.measures.value_sets.missing_value_sets`).
    periods
        Each gives rows of its own.
    scratch
        Folder for large tables while they are read.

    Raises
    ------
    InputDataError
        If the data lack a kind of events that a measure asks for.
    """
    groups = gather(measures)
    run = _Run(data, sets, periods, scratch, groups)
    return [run.evaluate(elements, some) for elements, some in groups]


class _Run:
    def __init__(
        self,
        data: EventData,
        sets: Mapping[str, ValueSet],
        periods: Sequence[Period],
        scratch: Path | None,
        groups: list[tuple[Elements, list[Measure]]],
    ) -> None:
        self.engine = data.engine
        self.periods = periods
        self.scratch = scratch
        self.name = f"measures_{next(_NUMBERS)}"
        numbered = data.persons.mutate(person=ibis.row_number().over(order_by="person_id"))
        self.persons = self._keep(numbered, "persons")
        end = data.data_end
        self.data_end = ibis.null("date") if end is None else ibis.date(end.year, end.month, end.day)
        self.spans = None
        if data.enrollment is not None:
            self.spans = self._keep(merged_spans(data.enrollment, self.persons), "enrollment")
        selectors = groups[0][0].selectors
        fields = sorted(set().union(*(_fields_needed(elements, some) for elements, some in groups)))
        self.matched = None
        self.codes_found: dict[str, int] = {}
        if selectors:
            named = any(_tells_apart(elements, "claim_line") for elements, _some in groups)
            matched = matched_events(data, self.persons, selectors, sets, fields, lines_have_names=named)
            self.matched = self._keep(matched.table, "matched")
            self.codes_found = matched.codes_found

    def _keep(self, table: ir.Table, what: str) -> ir.Table:
        return kept_table(self.engine, table, f"{self.name}_{what}", self.scratch)

    def _compute(self, table: ir.Table, what: str) -> ir.Table:
        return self.engine.compute(table, f"{self.name}_{what}_{next(_NUMBERS)}")

    def evaluate(self, elements: Elements, measures: list[Measure]) -> Evaluated:
        """Evaluate the measures of one basis."""
        subjects = self._compute(self._subjects(elements, measures), "subjects")
        for stage in elements.stages():
            subjects = self._with_elements(subjects, elements, stage)
        subjects = self._with_enrolment(subjects, elements)
        statuses = self._compute(_statuses(subjects, elements, measures), "statuses")
        chosen = choose_indices(self.engine, statuses, measures, self.name)
        return Evaluated(measures, chosen.drop("index_end"), self.codes_found)

    def _subjects(self, elements: Elements, measures: list[Measure]) -> ir.Table:
        calendar = {
            "period": list(range(len(self.periods))),
            "period_start": [one.start for one in self.periods],
            "period_end": [one.end for one in self.periods],
        }
        periods = self.engine.table(pa.table(calendar), f"{self.name}_periods_{next(_NUMBERS)}")
        persons = self.persons.select("person", "person_id", *PERSON_FIELDS).mutate(data_end=self.data_end)
        if elements.is_on_episodes:
            return self._episodes(elements, measures, persons, periods)
        subjects = persons.cross_join(periods).mutate(
            subject=_.person * len(self.periods) + _.period,
            index=ibis.null("int64"),
            index_domain=ibis.null("int64"),
            index_event_id=ibis.null("string"),
            index_facility_id=ibis.null("string"),
            index_start=ibis.null("date"),
            index_end=ibis.null("date"),
        )
        if self.spans is None:
            return subjects
        spans = self.spans
        there = subjects.join(
            spans,
            [
                subjects.person == spans.person,
                spans.start_date <= subjects.period_end,
                spans.end_date >= subjects.period_start,
            ],
        )
        return subjects.semi_join(there.select("subject").distinct(), "subject")

    def _episodes(self, elements: Elements, measures: list[Measure], persons: ir.Table, periods: ir.Table) -> ir.Table:
        """One row per index × event × period, with the fields of the event that measures ask for."""
        wanted = {one.number: one for measure in measures if (one := elements.index_of(measure))}
        indices = list(wanted.values())
        found = hits.find(
            self.engine,
            self._events(),
            windows_of_periods(self.engine, self.periods, elements, indices),
            elements,
            indices,
        )
        fields = sorted({"facility_id"} | _index_fields(measures))
        there = set(found.columns)
        person = found.subject // len(self.periods)
        events = found.select(
            index=found.element,
            index_domain=ibis.cases(
                *((found.element == one.number, hits.domain_number(one.events.domain)) for one in indices)
            ),
            person=person.cast("int64"),
            period=(found.subject - person * len(self.periods)).cast("int64"),
            index_event_id=found.event_id,
            index_start=found.start_date,
            index_end=found.end_date,
            **{f"index_{name}": found[name] if name in there else ibis.null(event_columns()[name]) for name in fields},
        ).distinct()
        joined = events.join(persons, "person").join(periods, "period")
        order = ["index", "person", "period", "index_start", "index_event_id"]
        return joined.mutate(subject=ibis.row_number().over(order_by=order).cast("int64"))

    def _events(self) -> ir.Table:
        if self.matched is None:
            raise AssertionError("an element has a selector")
        return self.matched

    def _with_enrolment(self, subjects: ir.Table, elements: Elements) -> ir.Table:
        for number, node in enumerate(elements.enrolled):
            name = f"enrolled_{number}"
            if self.spans is None:
                subjects = subjects.mutate(**{name: ibis.null("boolean" if isinstance(node, Enrolled) else "int64")})
                continue
            translate = Translator(subjects, elements)
            days = subjects.select(
                "subject", "person", first=translate(node.window.first), last=translate(node.window.last)
            )
            found = gaps_of(days, self.spans)
            kept = self._compute(found.select("subject", found=_enrolment(node, found)), "enrolled")
            joined = days.select("subject", "first", "last").left_join(kept, "subject").drop("subject_right")
            known = joined.select("subject", **{name: _enrolment_known(node, joined)})
            subjects = self._compute(subjects.join(known, "subject"), "subjects")
        return subjects

    def _with_elements(self, subjects: ir.Table, elements: Elements, stage: list[Element]) -> ir.Table:
        """Add the aggregates of elements whose windows are known."""
        wanted = [one for one in stage if one.hows]
        fixed = [one for one in wanted if not elements.is_on_episodes and is_of_period(elements.windows[one.window])]
        others = [one for one in wanted if one not in fixed]
        for part, windows in (
            (fixed, functools.partial(windows_of_periods, self.engine, self.periods)),
            (others, functools.partial(windows_of_subjects, subjects)),
        ):
            # Events that need others at their side are looked at apart: they are few, and the search is dear.
            for some in ([one for one in part if bool(one.events.companions) is has] for has in (False, True)):
                if some:
                    found = hits.find(self.engine, self._events(), windows(elements, some), elements, some)
                    kept = self._compute(hits.added_up(found, some), "added_up")
                    subjects = self._joined(subjects, kept, some)
        return subjects

    def _joined(self, subjects: ir.Table, added_up: ir.Table, wanted: list[Element]) -> ir.Table:
        """Turn one row per element into one column per element."""
        columns = {
            column_of(one.number, how): added_up[how].max(where=added_up.element == one.number)
            for one in wanted
            for how in sorted(one.hows)
        }
        wide = self._compute(added_up.group_by("subject").agg(**columns), "wide")
        return self._compute(subjects.left_join(wide, "subject").drop("subject_right"), "subjects")


def _enrolment(node: Enrolled | EnrolledDays, found: ir.Table) -> ir.Value:
    if isinstance(node, EnrolledDays):
        return found.enrolled_days
    return (found.gaps <= node.gaps) & (found.longest_gap <= node.gap_days)


def _enrolment_known(node: Enrolled | EnrolledDays, joined: ir.Table) -> ir.Value:
    """What is known of subjects without a day of enrolment too."""
    if isinstance(node, Enrolled):
        return joined.found.fill_null(False)  # noqa: FBT003
    is_known = joined["first"].notnull() & joined["last"].notnull()
    return ibis.ifelse(is_known, joined.found.fill_null(0), ibis.null("int64"))


def _index_fields(measures: Iterable[Measure]) -> set[str]:
    return {node.field for measure in measures for node in measure.nodes() if isinstance(node, IndexField)}


def _fields_needed(elements: Elements, measures: Sequence[Measure]) -> set[str]:
    """Fields of events that any part of a run looks at."""
    needed = _index_fields(measures)
    if elements.is_on_episodes:
        needed.add("facility_id")
    for one in elements.elements:
        needed |= {test.field for test in one.events.where + one.events.matching}
        needed |= {test.field for companion in one.events.companions for test in companion.events.where}
        if one.hows & {"minimum", "maximum", "sum", "any_null"}:
            needed.add("value")
        if "covered_days" in one.hows:
            needed.add("days_supply")
        if one.events.time == "prevalent":
            needed |= {"clinical_status", "verification_status"}
    return needed


def _tells_apart(elements: Elements, domain: str) -> bool:
    """Whether events of a kind are counted, picked, looked at side by side or the index of a measure."""
    return any(
        one.events.domain == domain
        and (
            one.hows & {"count"}
            or one.events.pick != "all"
            or one.events.companions
            or (elements.is_on_episodes and not one.hows)
        )
        for one in elements.elements
    )


def _statuses(subjects: ir.Table, elements: Elements, measures: Sequence[Measure]) -> ir.Table:
    translate = Translator(subjects, elements)
    columns: dict[str, Any] = {}
    for number, measure in enumerate(measures):
        status = status_column(measure, translate)
        index = elements.index_of(measure)
        columns[f"status_{number}"] = (
            status if index is None else ibis.ifelse(subjects["index"] == index.number, status, OUTSIDE)
        )
        for name in ("numerator_value", "denominator_value"):
            value = getattr(measure, name)
            if value is not None:
                columns[f"{name}_{number}"] = translate(value).cast("decimal(38, 4)")
        for place, (_name, value) in enumerate(measure.strata):
            columns[f"stratum_{number}_{place}"] = translate(value).cast("string")
        for place, rules in enumerate(measure.ordered_rules()):
            columns[f"rule_{number}_{place}"] = translate.stopped_at(rules)
    known = ["subject", "person_id", "period", "index_event_id", "index_facility_id", "index_start", "index_end"]
    return subjects.select(*known, **columns)
