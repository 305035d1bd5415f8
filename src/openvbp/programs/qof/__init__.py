"""Quality and Outcomes Framework: points and payments of general practices in Scotland and England."""

from openvbp.programs.qof.program import PROGRAM

__all__ = ["PROGRAM"]
