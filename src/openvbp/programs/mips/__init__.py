"""Merit-based Incentive Payment System, performance years 2017 to 2026."""

from openvbp.programs.mips.program import PROGRAM

__all__ = ["PROGRAM"]
