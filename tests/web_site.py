"""Small runs to serve, made once for a file of tests: made-up hospitals, a clinic's patients, practices, a contract."""

from __future__ import annotations

from pathlib import Path

from openvbp import pipeline
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder

EXAMPLES = Path(__file__).parent.parent / "examples"
HOSTILE = '<script>alert("name")</script>'
"""A provider's name that is HTML."""

_EXAMPLES = {
    "mncm": ("mncm", "CY2019", "mncm"),
    "qof": ("qof", "2015/16", "qof/scotland"),
    "iha_amp": ("iha_amp", "CY2014", "iha_amp"),
    "rosp": ("rosp", "CY2019", "rosp"),
    "episode_payment": ("episode_payment", "CY2016", "episode_payment"),
    "aco_reach": ("aco_reach", "PY2025", "aco_reach"),
    "contract": (str(EXAMPLES / "capitation-contract.yaml"), "", "contract_data/capitation"),
}


def hospitals(folder: Path, number: int = 40) -> RunFolder:
    """Run Hospital VBP on made-up hospitals, of which one has HTML for a name."""
    files = synthetic.generate(folder / "files", hospitals=number, period="FY2024", seed=1)
    for path in files.folder.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        cell = '"' + HOSTILE.replace('"', '""') + '"'
        path.write_text(text.replace("Synthetic hospital 0001", cell).replace('""<', '"<'), encoding="utf-8")
    return pipeline.run("hvbp", period="FY2024", data=files.folder, out=folder / "hvbp", threads=1)


def example(name: str, folder: Path) -> RunFolder:
    """Run one of the examples."""
    program, period, data = _EXAMPLES[name]
    return pipeline.run(program, period=period, data=EXAMPLES / data, out=folder / name, threads=1)
