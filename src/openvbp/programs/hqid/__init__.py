"""The CMS/Premier Hospital Quality Incentive Demonstration, October 2003 to September 2009."""

from openvbp.programs.hqid.program import PROGRAM

__all__ = ["PROGRAM"]
