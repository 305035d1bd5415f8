"""What can go wrong, said so that the reader knows what to do.

Every error a user can cause is an :class:`OpenvbpError` made of :class:`Problem` entries: what is wrong,
where, how many times, up to three examples, and what to do. Problems of one input are collected and
reported together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAXIMUM_EXAMPLES = 3


@dataclass(frozen=True)
class Problem:
    """One kind of problem in one place."""

    what: str
    where: str
    what_to_do: str
    count: int = 1
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        times = f" ({self.count:,} times)" if self.count > 1 else ""
        lines = [f"{self.what}{times}", f"  where: {self.where}"]
        if self.examples:
            lines.append("  for example: " + "; ".join(self.examples[:MAXIMUM_EXAMPLES]))
        lines.append(f"  what to do: {self.what_to_do}")
        return "\n".join(lines)


class OpenvbpError(Exception):
    """An error with a message for the user and an exit code for the shell."""

    exit_code = 70

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(OpenvbpError):
    """The command or call asks for something that does not exist."""

    exit_code = 2


class InputDataError(OpenvbpError):
    """The input data cannot be used as they are."""

    exit_code = 3


class MachineError(OpenvbpError):
    """The machine refused: disk full, no memory, no network."""

    exit_code = 74


class InternalError(OpenvbpError):
    """A check on our own results failed: a bug of openvbp, never the user's."""

    exit_code = 70
