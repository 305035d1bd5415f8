"""French pay for performance of physicians: the individual contracts of 2009-2011 and the conventions since 2012."""

from openvbp.programs.rosp.program import PROGRAM

__all__ = ["PROGRAM"]
