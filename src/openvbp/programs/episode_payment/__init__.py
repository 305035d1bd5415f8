"""Episode payment: CJR, TEAM and BPCI Advanced."""

from openvbp.programs.episode_payment.program import PROGRAM

__all__ = ["PROGRAM"]
