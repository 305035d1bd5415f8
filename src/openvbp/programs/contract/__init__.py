"""Negotiated value-based contracts, written in a file."""

from openvbp.programs.contract.program import PROGRAM, contract_program

__all__ = ["PROGRAM", "contract_program"]
