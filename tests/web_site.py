"""Small runs to serve, made once for a file of tests: made-up hospitals, a clinic's patients, practices, a contract."""

from __future__ import annotations

import itertools
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
    "advancing_quality": ("advancing_quality", "2008-10..2009-09", "advancing_quality"),
    "germany_external_quality": ("germany_external_quality", "CY2015", "germany_external_quality"),
    "hospital_statement": ("hospital_statement", "FY2024", "hospital_statement"),
    "mssp_benchmark": ("mssp_benchmark", "PY2024", "mssp_benchmark"),
    "mssp": ("mssp", "PY2024", "small_practice"),
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


def readmissions(folder: Path) -> RunFolder:
    """Run Readmissions Reduction on ten made-up hospitals, two in a peer group."""
    from hrrp_files import (
        MadeCondition,
        MadeHospital,
        conditions_of,
        write_hospitals,
        write_payment_ratios,
        write_public,
    )

    made = [
        MadeHospital(f"{10000 + number:06}", {name: MadeCondition(ratio) for name in conditions_of("FY2024")}, share)
        for number, (ratio, share) in enumerate(
            itertools.product(("0.9500", "1.0800"), ("0.1", "0.2", "0.3", "0.4", "0.5")), start=1
        )
    ]
    files = folder / "readmissions"
    files.mkdir()
    write_public(files, "FY2024", made)
    write_payment_ratios(files, made)
    columns = {"Dual Proportion": "dual_proportion", "Base Operating DRG Payment Amount USD": "base"}
    write_hospitals(files, made, columns)
    return pipeline.run("hrrp", period="FY2024", data=files, out=folder / "hrrp", threads=1)


def infections(folder: Path) -> RunFolder:
    """Run the HAC Reduction Program on 120 made-up hospitals, with a reform, so that groups of hospitals lose more."""
    import hacrp_files

    files = folder / "infections"
    files.mkdir()
    rows = hacrp_files.hospitals()
    hacrp_files.write(files / "scores.csv", rows)
    amounts = [f"{number}00000.00" for number in range(1, len(rows) + 1)]
    hacrp_files.write(files / "payments.csv", hacrp_files.base_payments(rows, amounts))
    return pipeline.run(
        "hacrp", period="FY2025", data=files, out=folder / "hacrp", threads=1, changes=["payment_reduction=0.02"]
    )


def written(program: str, folder: Path) -> RunFolder:
    """Run a program on the small files that its tests of mistakes start from."""
    import dra_hac_files
    import hqid_files
    import iqr_files
    import mips_files

    period, write = {
        "dra_hac": ("FY2010", dra_hac_files.write_example),
        "hqid": ("FY2004", hqid_files.write),
        "iqr": ("FY2015", iqr_files.write),
        "mips": ("PY2023", mips_files.write),
    }[program]
    return pipeline.run(program, period=period, data=write(folder / "files"), out=folder / program, threads=1)


def program_run(program: str, folder: Path) -> RunFolder:
    """Run any program on something small."""
    made = {
        "hvbp": lambda: hospitals(folder, 25),
        "hrrp": lambda: readmissions(folder),
        "hacrp": lambda: infections(folder),
    }
    if program in made:
        return made[program]()
    return example(program, folder) if program in _EXAMPLES else written(program, folder)


def study(folder: Path) -> Path:
    """Evaluate a made-up program."""
    from evaluation_panels import STUDY, write_panel
    from openvbp.evaluation.run import run_study

    write_panel(folder / "panel", treated=20, others=24)
    terms = folder / "study.yaml"
    terms.write_text(STUDY, encoding="utf-8")
    run_study(terms, folder / "panel").write(folder / "study")
    return folder / "study"
