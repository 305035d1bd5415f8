"""German external quality assurance of hospitals, and documentation fees of disease management programmes."""

from openvbp.programs.germany_external_quality.program import PROGRAM

__all__ = ["PROGRAM"]
