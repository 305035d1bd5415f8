"""What is served, and what of it a viewer may see."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from openvbp.errors import Problem
from openvbp.harmonization.modelled_measures import modelled_measures
from openvbp.parameters import ACTUAL
from openvbp.programs import program_ids
from openvbp.rules import Rule, rules_of
from openvbp.web.lab import Labs
from openvbp.web.page import NotFoundError
from openvbp.web.runs import HeldRun, ServedRun, address_part
from openvbp.web.sign_in import SignIn
from openvbp.web.viewer import Asked, Viewer
from openvbp.web.words import title_of


@dataclass
class Site:
    """Runs and what belongs to them."""

    runs: Mapping[str, ServedRun]
    studies: Mapping[str, Path] = field(default_factory=dict)
    registry: Path | None = None
    """Folder with a corpus of measures, for the overlap page."""
    providers_file: Path | None = None
    """Table of the user's own with ``provider_id`` and columns to group providers by, for the equity page."""
    shows_all: bool = False
    """Whether nothing is withheld: only where nobody but the user of this machine can ask."""
    labs: Labs = field(default_factory=Labs)
    sign_in: SignIn | None = None
    """How people sign in; ``None`` where nobody can."""

    def run(self, program: str, period: str) -> ServedRun:
        """Find a run by the parts of its address.

        Raises
        ------
        NotFoundError
            If none is served.
        """
        part = address_part(period)
        found = next((one for one in self.runs.values() if (one.program, one.period) == (program, part)), None)
        if found is None:
            known = [f"/{one.program}/{one.period}/" for one in self.runs.values()]
            near = difflib.get_close_matches(f"/{program}/{period}/", known, n=3, cutoff=0.3) or known[:3]
            raise NotFoundError(
                Problem(
                    f"no run of {program} {period} is served",
                    f"/{program}/{period}/",
                    "see the list on the first page",
                    examples=tuple(near),
                )
            )
        return found

    def provider(self, run: ServedRun, part: str) -> str:
        """Find a provider's identifier by its part of the address.

        Raises
        ------
        NotFoundError
            If the run has no such provider.
        """
        found = run.provider_of_address.get(part)
        if found is None:
            known = list(run.provider_of_address)
            without_zeros = [one for one in known if one.lstrip("0") == part.lstrip("0")]
            near = without_zeros or difflib.get_close_matches(part, known, n=3, cutoff=0.5) or known[:3]
            raise NotFoundError(
                Problem(
                    f"the run has no provider '{part}'",
                    f"{run.record['title']} {run.record['period']}",
                    f"use one of its {len(known):,} providers, or search on the first page",
                    examples=tuple(near),
                )
            )
        return found

    def sees_all(self, viewer: Viewer) -> bool:
        """Whether nothing is withheld from the viewer."""
        return self.shows_all or viewer.covers_all

    def held(self, run: ServedRun, asked: Asked, provider_id: str = "") -> HeldRun:
        """Give the tables of a run as far as the viewer may see them; of one provider if one is named."""
        is_own = provider_id and asked.viewer.covers_provider(run.program, provider_id)
        return run.full if is_own or self.sees_all(asked.viewer) else run.public

    def scenario(self, run: ServedRun, asked: Asked) -> str:
        """Give the scenario that is asked for: the rules in force if none is."""
        return run.demand_scenario(asked.text("scenario", ACTUAL))

    def about(self, run: ServedRun, scenario_id: str = ACTUAL) -> dict[str, Any]:
        """Say what a page is of, for its twins."""
        record = run.record
        return {
            "program": run.program,
            "program_title": record["title"],
            "period": record["period"],
            "period_start": record["period_start"],
            "period_end": record["period_end"],
            "law": "; ".join(record["authority"].values()),
            "scenario": scenario_id,
            "parameters_sha256": record["parameters_sha256"],
            "openvbp_version": record["versions"]["openvbp"],
            "small_cells": "shown" if self.shows_all else "withheld",
        }


@functools.cache
def rules_by_name(program: str) -> Mapping[str, Rule]:
    """Give a program's rules by their name; those of contracts for the name of a contract."""
    folder = program if program in program_ids() else "contract"
    return {one.rule_id: one for one in rules_of(import_module(f"openvbp.programs.{folder}.rules"))}


@functools.cache
def _measure_titles() -> Mapping[tuple[str, str], str]:
    return {
        (str(row["program"]).split()[0], str(row["measure_id"])): str(row["title"])
        for row in modelled_measures()
        if row["title"]
    }


def measure_title(program: str, measure_id: str) -> str:
    """Give the title of a measure where the program's folder has one, else its identifier in words."""
    return _measure_titles().get((program, measure_id)) or title_of(measure_id)
