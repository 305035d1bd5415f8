"""What is modelled: every program, its periods, what it was verified against, its parameters with their sources."""

from __future__ import annotations

from typing import Any

from openvbp.parameters import CitedValue, load_parameters
from openvbp.programs import program, program_ids


def all_programs() -> list[dict[str, Any]]:
    """List the programs: id, title, periods, authority, what was verified, what is not modelled."""
    rows = []
    for program_id in program_ids():
        found = program(program_id)
        parameters = load_parameters(found.parameters_file)
        rows.append(
            {
                "program": program_id,
                "title": parameters.title,
                "first_period": parameters.first_period,
                "last_period": parameters.last_period,
                "authority": dict(parameters.authority),
                "verified_against": list(found.verified_against),
                "not_modelled": list(found.not_modelled),
            }
        )
    return rows


def render_programs(rows: list[dict[str, Any]]) -> str:
    """Write the list for a terminal."""
    blocks = []
    for row in rows:
        lines = [
            f"{row['program']}  {row['title']}  {row['first_period']} to {row['last_period']}",
            f"  law: {'; '.join(row['authority'].values())}",
            *(f"  verified: {one}" for one in row["verified_against"]),
            *(f"  not modelled: {one}" for one in row["not_modelled"]),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, "Parameters of one: openvbp programs PROGRAM --period PERIOD"])


def program_parameters(program_id: str, period: str | None = None) -> dict[str, Any]:
    """List the parameters of a program in a period: path, value, unit, first day, citation, whether verified.

    Parameters
    ----------
    program_id
        The program, for example ``hvbp``, or the path of a contract file.
    period
        The program period; the last one with parameters when absent.

    Raises
    ------
    UsageError
        If there is no such program or period.
    """
    declared = program(program_id).parameters
    span = declared.period(period or declared.last_period)
    parameters = declared.in_force(span).parameters.values()
    rows = [
        _row(parameter.name, parameter.label, parameter.unit, key, cited)
        for parameter in parameters
        for key, cited in parameter.values.items()
    ]
    return {
        "program": program_id,
        "title": declared.title,
        "period": span.label,
        "parameters_sha256": declared.digest,
        "parameters": [row for row in rows if row["value"] is not None or not row["path"].count(".")],
    }


def _row(name: str, label: str, unit: str, key: str, cited: CitedValue) -> dict[str, Any]:
    return {
        "path": f"{name}.{key}" if key else name,
        "label": label,
        "value": None if cited.value is None else str(cited.value),
        "unit": unit,
        "since": str(cited.since) if cited.since else None,
        "cite": cited.cite,
        "unverified": cited.unverified,
        "note": cited.note,
    }


def render_parameters(content: dict[str, Any]) -> str:
    """Write a program's parameters for a terminal, grouped under their labels."""
    lines = [f"{content['title']} {content['period']}: what --set can change"]
    label = None
    for row in content["parameters"]:
        if row["label"] != label:
            label = row["label"]
            lines += ["", f"{label} ({row['unit']})"]
        mark = "  UNVERIFIED" if row["unverified"] else ""
        since = f"  since {row['since']}" if row["since"] else ""
        value = "none" if row["value"] is None else row["value"]
        lines.append(f"  {row['path']} = {value}{since}  [{row['cite']}]{mark}")
    return "\n".join(lines)
