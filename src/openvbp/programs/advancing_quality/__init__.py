"""Advancing Quality, North West England, October 2008 to March 2010."""

from openvbp.programs.advancing_quality.program import PROGRAM

__all__ = ["PROGRAM"]
