"""Harmonization on the shared corpus: what is known of it must be found again."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from conftest import published_data
from openvbp.harmonization.candidate_pairs import CandidatePair, candidate_pairs, nearest
from openvbp.harmonization.data_elements import overlap_of, read_overlaps, read_specifications, reuse
from openvbp.harmonization.definition_differences import differences, parsed_differences
from openvbp.harmonization.lint import Finding, lint
from openvbp.harmonization.registry import Registry, read_registry

LABELS = Path(__file__).parent / "core_set_pairs.csv"


@pytest.fixture(scope="module")
def folder() -> Path:
    return published_data("measures")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    return read_registry(folder)


@pytest.fixture(scope="module")
def pairs(registry: Registry) -> tuple[CandidatePair, ...]:
    return candidate_pairs(registry.in_force(2026))


@pytest.fixture(scope="module")
def findings(registry: Registry) -> tuple[Finding, ...]:
    return lint(registry, benchmarks=published_data("contracts", "qpp", "benchmarks_long_2017_2026.csv"))


def test_every_row_of_the_corpus_is_in_the_registry(registry: Registry) -> None:
    assert registry.rejected == ()
    corpus = [one for one in registry.measures if one.provenance.startswith("measures_corpus")]
    assert len(corpus) == 7412
    ids = {(one.program.startswith("M"), one.measure_id) for one in corpus if one.program == "MIPS"}
    assert len(ids) == 1886
    quality = Counter(one.version for one in corpus if one.program == "MIPS" and one.category == "quality")
    assert (quality["2018"], quality["2026"]) == (996, 405)


def test_core_set_measures_find_their_mips_measure(registry: Registry) -> None:
    """Labelled by hand, among the quality measures of MIPS 2026: recall@1 at least 0.90, recall@3 all."""
    with LABELS.open(newline="", encoding="utf-8") as lines:
        labels = {row["core_set_measure"]: row["mips_measure"] for row in csv.DictReader(lines)}
    mips = [one for one in registry.in_force(2026) if one.program == "MIPS" and one.category == "quality"]
    present = {one.measure_id for one in mips}
    # The last version of each, for some core-set measures ended before 2026.
    last = {one.measure_id: one for one in sorted(registry.measures, key=lambda one: one.version)}
    wanted = [last[name] for name, other in labels.items() if other in present]
    found: dict[str, list[str]] = {}
    for pair in nearest(wanted, mips, 3):
        # 001SSP is 001 as the Shared Savings Program reports it.
        found.setdefault(pair.first.measure_id, []).append(pair.second.measure_id.removesuffix("SSP"))
    ranks = [(found[name].index(labels[name]) if labels[name] in found[name] else 99) for name in found]
    assert len(ranks) == 30
    assert sum(rank == 0 for rank in ranks) == 30
    assert max(ranks) <= 2


def test_each_mips_measure_finds_its_electronic_specification(registry: Registry) -> None:
    in_force = registry.in_force(2026)
    electronic = [one for one in in_force if one.program == "eCQM"]
    numbers = {one.cms_number for one in electronic if one.cms_number}
    mips = [one for one in in_force if one.program == "MIPS" and one.cms_number in numbers]
    found = nearest(mips, electronic, 1)
    assert len(found) == 49
    assert all(one.first.cms_number == one.second.cms_number for one in found)


def test_families_and_duplicates_are_told_apart(pairs: tuple[CandidatePair, ...]) -> None:
    kinds = {frozenset((one.first.measure_id, one.second.measure_id)): one.kind for one in pairs}
    assert kinds[frozenset(("164", "AQI18"))] == "duplicate"
    assert kinds[frozenset(("001", "CMS122FHIRDiabetesAssessGT9Pct"))] == "duplicate"
    for first, second in (("MSK6", "MSK8"), ("217", "218"), ("500", "501"), ("AAB-AD", "AAB-CH")):
        assert kinds[frozenset((first, second))] == "family"
    assert kinds[frozenset(("COL-AD", "113"))] == "undecided"


def test_the_known_contradictions_are_found(findings: tuple[Finding, ...]) -> None:
    directions = {(one.measure, one.version) for one in findings if one.kind == "direction_contradiction"}
    assert directions == {(f"MIPS/{name}", "2026") for name in ("001", "238", "494", "514")}
    texts = {(one.measure, one.version) for one in findings if one.kind == "contradictory_text"}
    assert ("MIPS/dmComposite", "2018") in texts
    changed = {(one.measure.removeprefix("MIPS/"), one.version) for one in findings if one.kind == "direction_changed"}
    assert changed == {
        *((name, "2018") for name in ("OEIS2", "SMX3", "NHBPC15", "NOF12", "RCOIR8")),
        *((name, "2019") for name in ("345", "346", "347", "419", "ASPS9")),
        ("405", "2020"),
        ("335", "2022"),
        ("482", "2023"),
    }


def test_topped_out_measures_are_those_of_the_benchmarks(findings: tuple[Finding, ...]) -> None:
    assert len([one for one in findings if one.kind == "topped_out" and one.version == "2026"]) == 104


def test_code_overlap_of_the_electronic_specifications(registry: Registry, folder: Path) -> None:
    overlaps = read_overlaps(folder)
    kinds = Counter(one.kind for one in overlaps)
    assert (len(overlaps), kinds["competing"], kinds["related"]) == (2628, 3, 72)
    specifications = read_specifications(folder)
    assert len(specifications) == 73
    separately, once = reuse(specifications.values())
    assert (separately, once) == (2245, 750)
    retention, suppression = registry.find("340", 2026), registry.find("338", 2026)
    found = overlap_of(retention, suppression, registry, specifications, overlaps)
    assert found is not None
    assert found.kind == "competing"


def test_the_same_measure_in_two_programs_differs_in_its_direction_alone(registry: Registry) -> None:
    found = differences(registry.find("MIPS/001", 2026), registry.find("CMS122FHIRDiabetesAssessGT9Pct", 2026))
    assert parsed_differences(found) == ["direction"]
    values = {one.clause: one.first.values for one in found}
    assert values["age"] == ("18 to 75 years",)
    assert values["threshold"] == ("> 9 %",)


def test_measures_of_the_program_folders_are_in_force_while_they_are(registry: Registry) -> None:
    """The last indicator mapping of England at hand is that of 2023/24, which has 76 indicators."""
    england = [one for one in registry.in_force(2023) if one.program == "qof england"]
    assert len(england) == 76
    assert not [one for one in registry.in_force(2026) if one.program == "qof england"]
    valued = {one.measure_id: one for one in registry.in_force(2026) if one.program == "hvbp"}
    assert valued["AMI-7a"].direction == "higher_is_better"
    assert {one.direction for one in registry.in_force(2026) if one.program == "hrrp"} == {None}
