"""Reading a contract file: every error said in the user's words, with its line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.programs.contract.frameworks import framework_findings
from openvbp.programs.contract.term_checks import Finding, findings
from openvbp.programs.contract.terms import Contract
from openvbp.terms_file import TermsFile, named, read_terms

_ADVICE = "see the commented contracts in examples/, or 'openvbp check --schema' for an editor"


@dataclass(frozen=True)
class ContractFile:
    """A contract whose terms were found right."""

    path: Path
    content: bytes
    terms: Contract
    warnings: Sequence[Problem]
    """What is allowed but a careful reader wants to know."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def read_contract(path: Path) -> ContractFile:
    """Read and check a contract file.

    Raises
    ------
    UsageError
        If there is no such file.
    InputDataError
        With every error found: line, term, what is wrong, what to write.
    """
    read = read_terms(path, Contract, holds="contract", advice=_ADVICE)
    found = [*findings(read.terms), *framework_findings(read.terms)]
    errors = [_problem(read, one) for one in found if one.is_error]
    if errors:
        raise InputDataError(errors)
    return ContractFile(path, read.content, read.terms, [_problem(read, one) for one in found])


def json_schema() -> str:
    """JSON schema of contract files, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Contract.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1) + "\n"


def _problem(read: TermsFile[Contract], finding: Finding) -> Problem:
    return Problem(f"{named(finding.place)}: {finding.what}", read.where(*finding.place), finding.what_to_do)
