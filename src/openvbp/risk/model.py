"""What a risk model is beside its tables: groups of categories, interactions, and how a person is placed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, Literal

from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact

PERSONAL_PARTS = ("disabled", "under_65")
"""Parts of interactions that are properties of the person, not groups of categories."""
Family = Literal["CMS-HCC", "ESRD", "RxHCC"]


@dataclass(frozen=True)
class Model:
    """Logic of one model; everything else is in its tables."""

    name: str
    title: str
    cite: str
    family: Family
    """How persons are placed in segments."""
    number: str
    """Version, as CMS has it in the names of its files."""
    segments: tuple[str, ...]
    """Prefixes of coefficients."""
    without_conditions: tuple[str, ...]
    """Segments in which diagnoses are not paid."""
    category_name: str
    """What stands before the number of a category in the names of coefficients."""
    never_counted: tuple[int, ...]
    """Categories that are set to nothing before the hierarchies."""
    has_counts: bool
    """Whether the number of payment categories is paid."""
    counts_64_as_65: bool
    """Whether 64 years with entitlement by age are taken as 65."""
    needs_company: Mapping[int, tuple[int, ...]]
    """Categories that are dropped, before the hierarchies, unless one of others is present."""
    groups: Mapping[str, tuple[int, ...]]
    interactions: Mapping[str, tuple[str, ...]]
    """Name of the coefficient without its segment: the groups that must all be present."""

    @property
    def table_name(self) -> str:
        """What tables of an engine are named by."""
        return f"risk_{self.name}".lower().replace("-", "_")

    def category(self, number: int) -> str:
        """Name of a category: ``HCC85``, ``RXHCC30``."""
        return f"{self.category_name}{number}"


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
        family=given["family"],
        number=name.rpartition("V")[2],
        segments=tuple(given["segments"]),
        without_conditions=tuple(given["without_conditions"]),
        category_name=given["category_name"],
        never_counted=_whole(given["never_counted"]),
        has_counts=given["has_counts"],
        counts_64_as_65=given["counts_64_as_65"],
        needs_company={int(one): _whole(others) for one, others in given["needs_company"].items()},
        groups={group: _whole(categories) for group, categories in given["groups"].items()},
        interactions={interaction: tuple(parts) for interaction, parts in given["interactions"].items()},
    )


@dataclass(frozen=True)
class Factors:
    """What the raw scores of some segments are divided by, and the share that is then taken off."""

    segments: tuple[str, ...]
    normalization: Decimal
    coding_adjustment: Decimal


@dataclass(frozen=True)
class PaymentParameters:
    """From the raw score to the score that is paid."""

    factors: tuple[Factors, ...]
    """Together of all segments of the model."""
    blend_weight: Decimal | None
    """Weight of the model in the payment year; none where the year is not known."""
    is_unverified: bool


@dataclass(frozen=True)
class OwnParameters:
    """The user's own values, which go before the shipped ones."""

    normalization: Decimal | None = None
    graft_normalization: Decimal | None = None
    """Of functioning grafts, in the models of end-stage renal disease."""
    coding_adjustment: Decimal | None = None


def payment_parameters(model: Model, payment_year: int, own: OwnParameters | None = None) -> PaymentParameters:
    """Give normalization, coding-intensity adjustment and blend weight of a model in a payment year.

    Parameters
    ----------
    model, payment_year
        What is scored.
    own
        The user's own values.

    Raises
    ------
    UsageError
        If no normalization factor is known or a value is out of bounds.
    """
    given = own or OwnParameters()
    content = _content("payment_parameters.yaml")
    shipped = content["coding_adjustment"]
    is_adjusted = model.family in shipped["families"]
    adjustment = given.coding_adjustment
    if adjustment is None:
        adjustment = Decimal(shipped["value"]) if is_adjusted else Decimal(0)
    grafts = tuple(segment for segment in model.segments if model.family == "ESRD" and segment.startswith("G"))
    others = tuple(segment for segment in model.segments if segment not in grafts)
    general = _factor(model, payment_year, "normalization", given.normalization)
    factors = [Factors(others, general, Decimal(0) if grafts else adjustment)]
    if grafts:
        own_factor = given.graft_normalization
        factors.append(Factors(grafts, _factor(model, payment_year, "graft_normalization", own_factor), adjustment))
    for one in factors:
        _check_bounds(one)
    weights = {int(year): value for year, value in content["blend"].items()}.get(payment_year)
    asked = [given.normalization, *([given.graft_normalization] if grafts else [])]
    asked += [given.coding_adjustment] if is_adjusted else []
    return PaymentParameters(
        factors=tuple(factors),
        blend_weight=None if weights is None else Decimal(weights.get(model.name, "0")),
        is_unverified=any(value is None for value in asked),
    )


def _factor(model: Model, payment_year: int, kind: str, own: Decimal | None) -> Decimal:
    if own is not None:
        return own
    shipped = _content("payment_parameters.yaml")[kind].get(model.name, {})
    known = {int(year): Decimal(value) for year, value in shipped.items()}
    if payment_year not in known:
        listed = ", ".join(map(str, known)) or "no year"
        name = kind.replace("_", " ")
        what = f"no {name} factor of {model.title} is known for {payment_year}; known: {listed}"
        option = "--" + kind.replace("_", "-")
        raise UsageError(Problem(what, "--payment-year", f"add {option} with the Rate Announcement's factor"))
    return known[payment_year]


def _check_bounds(one: Factors) -> None:
    factor, adjustment = one.normalization, one.coding_adjustment
    if not 0 < factor < 10 or not 0 <= adjustment < 1 or factor % THOUSANDTH or adjustment % THOUSANDTH**2:
        what = f"normalization {factor} or coding adjustment {adjustment} cannot be"
        raise UsageError(Problem(what, "--normalization", "give a factor such as 1.045 and a share such as 0.059"))


THOUSANDTH = Decimal("0.001")


def _whole(values: list[Decimal]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


@functools.cache
def _content(name: str) -> dict[Any, Any]:
    return load_exact(files("openvbp.risk").joinpath(name).read_bytes())
