"""California: Value Based P4P and AMP of the Integrated Healthcare Association, and the state's public report card."""

from openvbp.programs.iha_amp.program import PROGRAM

__all__ = ["PROGRAM"]
