"""The payment of a hospital under Medicare's five inpatient quality programs together."""

from openvbp.programs.hospital_statement.program import PROGRAM

__all__ = ["PROGRAM"]
