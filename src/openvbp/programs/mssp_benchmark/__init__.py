"""The benchmark of a Shared Savings Program ACO."""

from openvbp.programs.mssp_benchmark.program import PROGRAM

__all__ = ["PROGRAM"]
