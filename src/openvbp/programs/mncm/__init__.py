"""Public report card of Minnesota Community Measurement."""

from openvbp.programs.mncm.program import PROGRAM

__all__ = ["PROGRAM"]
