"""One HRRP file, read into what the other files of the fiscal year say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.programs.hrrp import cells, hospital_report
from openvbp.programs.hrrp.measures import measures_by_name
from openvbp.programs.hrrp.merged_files import Condition, FileRows, Hospital, ReadmissionInputs
from openvbp.programs.hrrp.published_files import PublishedFile
from openvbp.programs.hrrp.sheets import Sheet
from openvbp.published_rows import OncePerHospital
from openvbp.text_tables import normalized

_ZERO_RATIO = re.compile(r"0+(\.0+)?")
_RATIO = "published_excess_readmission_ratio"
_BESIDE = ("readmissions", "published_penalty_indicator")
"""Quantities of a condition that its payment does not depend on."""


class FileReader:
    """Reads one file into the merged inputs."""

    def __init__(
        self, inputs: ReadmissionInputs, scenario: Scenario, file: PublishedFile, forms: Mapping[str, cells.Form]
    ) -> None:
        self.inputs, self.scenario, self.file, self.forms = inputs, scenario, file, forms

    def read(self) -> None:
        """Take what the file gives and has not been given yet; list what cannot be used.

        Raises
        ------
        InputDataError
            If a measure is unknown, a hospital has two different rows, or no row has a valid hospital.
        """
        sheet = self.file.sheet
        if sheet is None or self.file.kind == "ignored":
            self._count(0, 0)
        elif self.file.kind in ("report", "stays"):
            self._read_report(sheet, self.inputs.report_provider_id or hospital_report.UNNAMED_HOSPITAL)
        else:
            self._read_table(sheet)

    def _count(self, rows: int, accepted: int) -> None:
        self.inputs.files.append(FileRows(self.file, rows, accepted))

    def _read_report(self, sheet: Sheet, provider_id: str) -> None:
        hospital = self._hospital(provider_id)
        if hospital_report.is_stay_sheet(sheet):
            self._read_stays(sheet, provider_id)
        elif hospital_report.is_payment_sheet(sheet):
            columns = hospital_report.payment_columns(sheet)
            for number, row in zip(sheet.row_numbers[:1], sheet.rows, strict=False):
                self._take(hospital.values, columns, row, number, provider_id)
            self._count(len(sheet.rows), len(sheet.rows))
        elif self.file.kind == "report":
            columns = hospital_report.result_columns(sheet)
            names = [measures_by_name().get(normalized(row[0])) for row in sheet.rows]
            self._demand_known(sheet, [row[0] for row in sheet.rows], names)
            for number, row, name in zip(sheet.row_numbers, sheet.rows, names, strict=True):
                self._condition(provider_id, str(name), columns, row, number)
            self._count(len(sheet.rows), len(sheet.rows))
        else:
            # Table 9: the dual-eligible stays, which Table 1 counts.
            self.inputs.listed_dual_eligible_stays = len(sheet.rows)
            self._count(len(sheet.rows), len(sheet.rows))

    def _read_stays(self, sheet: Sheet, provider_id: str) -> None:
        stays = hospital_report.read_stays(sheet)
        self.inputs.stays.append(stays)
        for number, column in stays.unreadable:
            self.inputs.reject(self.file, number, provider_id, column, "", "not a number; the cell is a patient's")
        condition = self.inputs.conditions.setdefault((provider_id, stays.measure_id), Condition())
        if stays.unreadable:
            condition.problem = "an index stay cannot be read"
        elif stays.index_stays and (stays.hospital_effect is None or stays.average_effect is None):
            condition.problem = "the hospital effect or the average effect is missing"
        for quantity in ("hospital_effect", "average_effect"):
            self._cite(quantity, stays.measure_id, f"{sheet.name}, row of coefficients")
        self._count(stays.rows, stays.rows - len(stays.unreadable))

    def _read_table(self, sheet: Sheet) -> None:
        """Read a file with a row per hospital, or per hospital and measure."""
        place = self.file.described.get("measure")
        measures = [None] * len(sheet.rows)
        if self.file.kind in ("ratios", "conditions") and place is not None:
            names = [row[place] for row in sheet.rows]
            measures = [measures_by_name().get(normalized(name)) for name in names]
            self._demand_known(sheet, names, measures)
        accepted = 0
        for number, row, provider_id, measure_id in self._usable(sheet, measures):
            accepted += 1
            self._read_row(number, row, provider_id, measure_id)
        self._count(len(sheet.rows), accepted)

    def _read_row(self, number: int, row: tuple[str, ...], provider_id: str, measure_id: str | None) -> None:
        file = self.file
        hospital = self._hospital(provider_id)
        hospital.name = hospital.name or self._text(row, "provider_name")
        hospital.state = hospital.state or self._text(row, "state")
        of_hospital = dict(file.of_hospital)
        reason = of_hospital.pop("excluded_reason", None)
        if reason is not None:
            hospital.excluded_reason = row[reason] or hospital.excluded_reason
        self._take(hospital.values, of_hospital, row, number, provider_id)
        if measure_id is not None:
            condition = self._condition(provider_id, measure_id, file.of_measure, row, number)
            condition.footnote = self._text(row, "footnote") or condition.footnote
            condition.rate_unverified = self._text(row, "rate_unverified") or condition.rate_unverified
        for one in sorted({key[0] for key in file.wide}):
            columns = {quantity: index for (name, quantity), index in file.wide.items() if name == one}
            self._condition(provider_id, one, columns, row, number)

    def _usable(
        self, sheet: Sheet, measures: list[str | None]
    ) -> Iterator[tuple[int, tuple[str, ...], str, str | None]]:
        """Keep rows with a valid hospital, once each; list the others as rejected."""
        column = self.file.hospital or 0
        once = OncePerHospital()
        for number, row, measure_id in zip(sheet.row_numbers, sheet.rows, measures, strict=True):
            provider_id, reason = once.look_at(row[column], row, measure_id or "")
            if reason:
                self.inputs.reject(self.file, number, row[column], sheet.header[column], row[column], reason)
            else:
                yield number, row, provider_id, measure_id
        self.inputs.restored_zeros += once.restored_zeros
        problems = once.problems(str(sheet.path), sheet.header[column])
        if problems:
            raise InputDataError(problems)

    def _demand_known(self, sheet: Sheet, names: Iterable[str], measures: Iterable[str | None]) -> None:
        unknown = [name for name, measure in zip(names, measures, strict=True) if measure is None]
        if unknown:
            raise InputDataError(
                Problem(
                    "rows of an unknown measure",
                    str(sheet.path),
                    "check the file; a new measure is added in measure_catalogue.csv and parameters.yaml",
                    len(unknown),
                    tuple(sorted(set(unknown))[:3]),
                )
            )

    def _hospital(self, provider_id: str) -> Hospital:
        return self.inputs.hospitals.setdefault(provider_id, Hospital(provider_id))

    def _text(self, row: tuple[str, ...], name: str) -> str | None:
        index = self.file.described.get(name)
        return (row[index] or None) if index is not None else None

    def _condition(
        self, provider_id: str, measure_id: str, columns: Mapping[str, int], row: tuple[str, ...], number: int
    ) -> Condition:
        condition = self.inputs.conditions.setdefault((provider_id, measure_id), Condition())
        problem = self._take(condition.values, columns, row, number, provider_id, measure_id)
        condition.problem = condition.problem or problem
        return condition

    def _take(
        self,
        values: dict[str, Decimal],
        columns: Mapping[str, int],
        row: tuple[str, ...],
        number: int,
        provider_id: str,
        measure_id: str = "",
    ) -> str | None:
        """Read a row's cells into the values; return why the first rejected one was."""
        first_problem = None
        is_public = self.file.hospital is not None
        for quantity, index in columns.items():
            self._cite(quantity, measure_id, self.file.citation(index))
            text = row[index]
            if quantity == _RATIO and self._is_placeholder(text):
                self.inputs.zero_ratios += 1
                continue
            per_hundred = is_public and quantity in cells.PER_HUNDRED
            value, problem = cells.read_cell(text, self.forms[quantity], is_per_hundred=per_hundred)
            if problem:
                column = self.file.sheet.header[index] if self.file.sheet else quantity
                self.inputs.reject(self.file, number, provider_id, column, text, problem)
                if quantity not in _BESIDE:
                    first_problem = first_problem or f"{column}: {problem}"
            elif value is not None and values.setdefault(quantity, value) != value:
                self._disagree(values[quantity], value, f"{provider_id} {measure_id} {quantity}")
        return first_problem

    def _is_placeholder(self, text: str) -> bool:
        return bool(self.scenario.value("is_zero_ratio_placeholder")) and bool(_ZERO_RATIO.fullmatch(text))

    def _disagree(self, taken: Decimal, other: Decimal, what: str) -> None:
        """Note that files disagree, unless they only round differently."""
        unit = max(Decimal(1).scaleb(int(one.as_tuple().exponent)) for one in (taken, other))
        if taken.quantize(unit, ROUND_HALF_UP) != other.quantize(unit, ROUND_HALF_UP):
            self.inputs.disagreements.append(f"{what}: {taken} taken, {other} in {self.file.path.name}")

    def _cite(self, quantity: str, measure_id: str, citation: str) -> None:
        known = self.inputs.citations.setdefault((quantity, measure_id), [])
        if citation not in known:
            known.append(citation)
