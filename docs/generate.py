"""Write the reference pages from what they describe: the results model, the programs, the command line.

python docs/generate.py            write the pages
python docs/generate.py --check    exit 1 if a page is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests" / "spec"))

from specs import CASE, Spec, specs_of  # noqa: E402

from openvbp.evaluation import study_file  # noqa: E402
from openvbp.parameters import load_parameters  # noqa: E402
from openvbp.programs import program, program_ids  # noqa: E402
from openvbp.programs.contract.contract_file import json_schema  # noqa: E402
from openvbp.results import STATUSES, results_model  # noqa: E402
from openvbp.rules import Rule, rules_of  # noqa: E402

NOTICE = "<!-- Written by docs/generate.py: change what it describes, not this page. -->"

MOST_VALUES = 200
"""Of a parameter with more values the page names the file."""


def main() -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for path, text in pages().items():
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(str(path.relative_to(DOCS.parent)))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        print("not up to date, run 'python docs/generate.py': " + ", ".join(stale))
    return 1 if stale else 0


def pages() -> dict[Path, str]:
    """Every generated page with its text."""
    return {
        DOCS / "reference" / "results-model.md": results_model_page(),
        DOCS / "reference" / "command-line.md": command_line_page(),
        DOCS / "reference" / "contract.schema.json": json_schema(),
        DOCS / "reference" / "study.schema.json": study_file.json_schema(),
        **{DOCS / "programs" / f"{program_id}.md": program_page(program_id) for program_id in program_ids()},
    }


def results_model_page() -> str:
    """Every table of the results model, column by column."""
    parts = [
        NOTICE,
        "# Results model",
        "Every program writes these tables, as Parquet in `RUN/results/`. They are checked when they are written. A score "
        "that could not be given is missing, never zero; `status` and `status_reason` say why.",
        "Statuses: " + ", ".join(f"`{status}`" for status in STATUSES) + ".",
    ]
    for table in results_model().values():
        rows = [
            [
                f"`{column.name}`",
                column.type,
                column.unit,
                "may be missing" if column.nullable else "",
                column.description,
            ]
            for column in table.columns
        ]
        parts += [
            f"## {table.name}",
            f"One row per {table.grain}. Key: {', '.join(f'`{name}`' for name in table.key)}."
            + (f" {table.is_optional}" if table.is_optional else ""),
            markdown_table(["column", "type", "unit", "", "meaning"], rows),
        ]
    return "\n\n".join(parts) + "\n"


def command_line_page() -> str:
    """Every command with its arguments and options."""
    import typer

    from openvbp.cli import app

    group = typer.main.get_command(app)
    parts = [
        NOTICE,
        "# Command line",
        "Data go to stdout, progress and errors to stderr. Exit codes: 0 ok, 1 a finding (a value differs), 2 usage, 3 input "
        "data, 70 a bug of openvbp, 74 the machine refused (disk, network). Defaults of options can stand in `openvbp.toml` "
        "in the working folder (one table per command) or in the environment (`OPENVBP_RUN_ENGINE=spark`); an option given "
        "on the command line wins over the environment, the environment over the file.",
    ]
    for name, command in commands_of(group):
        rows = [
            [
                ", ".join(f"`{flag}`" for flag in parameter.opts)
                if parameter.param_type_name == "option"
                else f"`{parameter.metavar or parameter.name}`",
                "required" if parameter.required else "",
                getattr(parameter, "help", None) or "",
            ]
            for parameter in command.params
        ]
        parts += [f"## openvbp {name}", command.help or "", markdown_table(["argument or option", "", "meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def commands_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Commands by their names; those of a group under the group's name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def program_page(program_id: str) -> str:
    """A program: its scope, its rules with worked examples, its parameters with their sources."""
    found = program(program_id)
    parameters = load_parameters(found.parameters_file)
    rules = rules_of(import_module(f"openvbp.programs.{program_id}.rules"))
    specs = {spec.rule_id: spec for spec in specs_of(program_id)}
    scope = (found.folder / "README.md").read_text(encoding="utf-8").strip()
    parts = [
        NOTICE,
        scope,
        "## Rules",
        "In the order in which they apply. Each is a function of the same name in "
        f"`src/openvbp/programs/{program_id}/rules.py`; the examples are run as tests on DuckDB and Spark.",
        *(part for rule in rules for part in rule_section(rule, specs[rule.rule_id])),
        "## Parameters",
        f"From `openvbp programs {program_id} --period PERIOD`; any of them can be changed with `--set`. An empty value ends "
        "the one before.",
    ]
    for name, (declared, history) in parameters.dated.items():
        rows = [
            [
                f"`{name}.{key}`" if key else f"`{name}`",
                since.isoformat(),
                "" if cited.value is None else str(cited.value),
                cited.cite
                + (" **(unverified)**" if cited.unverified else "")
                + (f" {cited.note}" if cited.note else ""),
            ]
            for key, dates in history.items()
            for since, cited in sorted(dates.items())
        ]
        parts += [f"### {declared.label}", f"Unit: {declared.unit}."]
        if len(rows) > MOST_VALUES:
            # A reader looks up one of many values in the table itself; the page says where it is.
            where = f"`src/openvbp/programs/{program_id}/{declared.file}`" if declared.file else "the parameters"
            parts.append(f"{len(rows):,} values: see {where}.")
        elif rows:
            parts.append(markdown_table(["parameter", "from", "value", "source"], rows))
    return "\n\n".join(parts) + "\n"


def rule_section(rule: Rule, spec: Spec) -> list[str]:
    """One rule: what it says, its paragraph, its examples."""
    rows = [
        [row[name] for name in (CASE, *spec.given)]
        + [f"**{row[name]}**" if row[name] else "" for name in spec.expected]
        for row in spec.rows
    ]
    header = [
        CASE,
        *(name.replace("_", " ") for name in spec.given),
        *(f"→ {name.replace('_', ' ')}" for name in spec.expected),
    ]
    span = f", from {rule.since}" if rule.since else ""
    span += f", until {rule.until}" if rule.until else ""
    return [
        f"### {rule.rule_id.replace('_', ' ')}",
        f"{rule.text}\n\nSource: {rule.citation}{span}. Gives `{rule.gives}` ({rule.unit}) from "
        + ", ".join(f"`{name}`" for name in rule.inputs)
        + ".",
        spec.says,
        markdown_table(header, rows),
    ]


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


if __name__ == "__main__":
    sys.exit(main())
