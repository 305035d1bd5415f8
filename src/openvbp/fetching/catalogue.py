"""What can be fetched from where: a program's ``catalogue.yaml``.

A publisher keeps the newest year as datasets whose addresses change with every release, and older years as
members of dated archives. Each period therefore lists one or more sources, tried in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openvbp.errors import InputDataError, Problem, UsageError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WantedFile(_Strict):
    """One file of a source."""

    name: str
    """Name as published; ``*`` and ``?`` stand for what changes from release to release."""
    what: str
    dataset: str | None = None
    """Identifier of the dataset, where the source is datasets."""

    def has_name(self, name: str) -> bool:
        """Whether a published file is this one; capitals do not count."""
        return fnmatchcase(name.lower(), self.name.lower())


class Source(_Strict):
    """One place that has all files of a period."""

    kind: Literal["dataset", "archive"]
    address: str
    """Of the archive; or of a dataset's description, with ``{dataset}`` for its identifier."""
    page: str
    """Where a person finds the files when the address fails; of datasets with ``{dataset}`` for the identifier."""
    files: Annotated[tuple[WantedFile, ...], Field(min_length=1)]
    seen: str | None = None
    """Where the address was seen in use."""
    unverified: bool = False
    """The address was made by analogy and has not been seen in use."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Of the archive, where known."""
    note: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unverified == bool(self.seen):
            raise ValueError("give either 'seen' or 'unverified: true'")
        if self.kind == "archive":
            if any(file.dataset for file in self.files):
                raise ValueError("files of an archive have no dataset")
        elif self.sha256 or "{dataset}" not in self.address or not all(file.dataset for file in self.files):
            raise ValueError("datasets need {dataset} in the address, an identifier per file, and no sha256")
        return self

    def identity(self, file: WantedFile) -> str:
        """Address by which a fetched file is known to come from here."""
        return self.address.format(dataset=file.dataset) if self.kind == "dataset" else self.address


class Catalogue(_Strict):
    """All official files of a program."""

    program: str
    publisher: str
    year_column: str | None = None
    """Column that names the year in the newer files."""
    shared_files: Mapping[str, tuple[WantedFile, ...]] = {}
    """Lists that several sources repeat by a YAML alias."""
    periods: Mapping[str, Annotated[tuple[Source, ...], Field(min_length=1)]]

    def sources(self, period: str) -> tuple[Source, ...]:
        """List the sources of a period, the best first.

        Raises
        ------
        UsageError
            If the catalogue does not have the period.
        """
        if period not in self.periods:
            raise UsageError(
                Problem(
                    f"no files of {self.program} {period} are listed",
                    "--period",
                    "choose one of: " + ", ".join(sorted(self.periods)),
                )
            )
        return self.periods[period]


def load_catalogue(path: Path) -> Catalogue:
    """Read a program's ``catalogue.yaml``.

    Raises
    ------
    UsageError
        If the program has no catalogue.
    InputDataError
        If the file has unknown keys, or a source is neither seen nor marked unverified.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            Problem("the program has no list of official files", str(path), "download its files by hand")
        ) from error
    try:
        return Catalogue.model_validate(yaml.safe_load(content))
    except (ValidationError, yaml.YAMLError) as error:
        raise InputDataError(Problem(f"catalogue cannot be used: {error}", str(path), "correct the file")) from error
