"""ACO REACH: benchmark, withholds and risk corridors."""

from openvbp.programs.aco_reach.program import PROGRAM

__all__ = ["PROGRAM"]
