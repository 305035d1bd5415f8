"""For how many days a drug was prescribed.

Source: CumulativeMedicationDuration of the US electronic measures (version 5): the expected supply, else the quantity
by dose and frequency, each with its repeats; else the bounds of the dosage.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from openvbp.measures.fhir.elements import Context, Resource, as_list, days_of, quantity

_HOURS = {"h": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "wk": 168, "week": 168, "weeks": 168}


def days_supplied(request: Resource, context: Context) -> Decimal | None:
    """Days that a prescription lasts, repeats included; none where that does not follow from it."""
    dispense = request.get("dispenseRequest") or {}
    days = days_of(dispense.get("expectedSupplyDuration"), context)
    if days is None:
        days = _days_of_quantity(request, dispense, context)
    repeats = int(dispense.get("numberOfRepeatsAllowed") or 0)
    return None if days is None else (days * (1 + repeats)).quantize(Decimal("0.0001"))


def bounds(request: Resource) -> dict[str, Any]:
    """Period of the only dosage; empty where there is none."""
    return _repeat(request).get("boundsPeriod") or {}


def _repeat(request: Resource) -> dict[str, Any]:
    dosages = as_list(request.get("dosageInstruction"))
    return ((dosages[0].get("timing") or {}).get("repeat") or {}) if len(dosages) == 1 else {}


def _days_of_quantity(request: Resource, dispense: Resource, context: Context) -> Decimal | None:
    supplied, _unit = quantity(dispense.get("quantity"), context)
    dosages = as_list(request.get("dosageInstruction"))
    doses = as_list(dosages[0].get("doseAndRate")) if len(dosages) == 1 else []
    if supplied is None or len(doses) != 1:
        return None
    dose, _unit = quantity((doses[0].get("doseRange") or {}).get("high") or doses[0].get("doseQuantity"), context)
    each_day = _doses_a_day(_repeat(request))
    return supplied / (dose * each_day) if dose and each_day else None


def _doses_a_day(repeat: Resource) -> Decimal | None:
    frequency = repeat.get("frequencyMax") or repeat.get("frequency")
    hours = _HOURS.get(str(repeat.get("periodUnit")))
    if frequency and repeat.get("period"):
        return None if hours is None else Decimal(frequency) * 24 / (Decimal(repeat["period"]) * hours)
    return Decimal(len(repeat.get("timeOfDay") or ()) or 1)
