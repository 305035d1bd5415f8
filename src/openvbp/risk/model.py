"""What a risk model is beside its tables: groups of categories, interactions, and how a person is placed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact

DISABLED = "disabled"
"""The part of an interaction that is a property of the person, not a group of categories."""
SEGMENTS = ("CNA", "CND", "CFA", "CFD", "CPA", "CPD", "INS", "NE", "SNPNE")
"""Prefixes of coefficients: community × dual (none, full, partial) × (aged, disabled); institution; new enrollees."""
WITHOUT_CONDITIONS = ("NE", "SNPNE")
"""Segments in which diagnoses are not paid."""


@dataclass(frozen=True)
class Model:
    """Logic of one model; everything else is in its tables."""

    name: str
    title: str
    cite: str
    has_counts: bool
    """Whether the number of payment categories is paid."""
    counts_64_as_65: bool
    """Whether 64 years with entitlement by age are taken as 65."""
    needs_company: Mapping[int, tuple[int, ...]]
    """Categories that are dropped, before the hierarchies, unless one of others is present."""
    groups: Mapping[str, tuple[int, ...]]
    interactions: Mapping[str, tuple[str, ...]]
    """Name of the coefficient without its segment: the groups that must all be present."""


def model_names() -> tuple[str, ...]:
    """Names of the models."""
    return tuple(_content("models.yaml"))


@functools.cache
def load_model(name: str) -> Model:
    """Give a model by its name.

    Raises
    ------
    UsageError
        If there is no such model.
    """
    content = _content("models.yaml")
    if name not in content:
        raise UsageError(Problem(f"there is no risk model '{name}'", "--model", "choose one of " + ", ".join(content)))
    given = content[name]
    return Model(
        name=name,
        title=given["title"],
        cite=given["cite"],
        has_counts=given["has_counts"],
        counts_64_as_65=given["counts_64_as_65"],
        needs_company={int(one): _whole(others) for one, others in given["needs_company"].items()},
        groups={group: _whole(categories) for group, categories in given["groups"].items()},
        interactions={interaction: tuple(parts) for interaction, parts in given["interactions"].items()},
    )


@dataclass(frozen=True)
class PaymentParameters:
    """From the raw score to the score that is paid."""

    normalization: Decimal
    coding_adjustment: Decimal
    blend_weight: Decimal | None
    """Weight of the model in the payment year; none where the year is not known."""
    is_unverified: bool


def payment_parameters(
    model: Model,
    payment_year: int,
    normalization: Decimal | None = None,
    coding_adjustment: Decimal | None = None,
) -> PaymentParameters:
    """Give normalization, coding-intensity adjustment and blend weight of a model in a payment year.

    Parameters
    ----------
    model, payment_year
        What is scored.
    normalization, coding_adjustment
        The user's own values, which go before the shipped ones.

    Raises
    ------
    UsageError
        If no normalization factor is known or a value is out of bounds.
    """
    content = _content("payment_parameters.yaml")
    known = {int(year): Decimal(value) for year, value in content["normalization"].get(model.name, {}).items()}
    if normalization is None and payment_year not in known:
        listed = ", ".join(map(str, known)) or "no year"
        what = f"no normalization factor of {model.title} is known for {payment_year}; known: {listed}"
        raise UsageError(Problem(what, "--payment-year", "add --normalization with the Rate Announcement's factor"))
    factor = known[payment_year] if normalization is None else normalization
    adjustment = Decimal(content["coding_adjustment"]["value"]) if coding_adjustment is None else coding_adjustment
    if not 0 < factor < 10 or not 0 <= adjustment < 1 or factor % THOUSANDTH or adjustment % THOUSANDTH**2:
        what = f"normalization {factor} or coding adjustment {adjustment} cannot be"
        raise UsageError(Problem(what, "--normalization", "give a factor such as 1.045 and a share such as 0.059"))
    weights = {int(year): value for year, value in content["blend"].items()}.get(payment_year)
    return PaymentParameters(
        normalization=factor,
        coding_adjustment=adjustment,
        blend_weight=None if weights is None else Decimal(weights.get(model.name, "0")),
        is_unverified=normalization is None or coding_adjustment is None,
    )


THOUSANDTH = Decimal("0.001")


def _whole(values: list[Decimal]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


@functools.cache
def _content(name: str) -> dict[Any, Any]:
    return load_exact(files("openvbp.risk").joinpath(name).read_bytes())
