"""Second cells: what must be withheld so that no totals, of all providers or of groups, give a withheld count back.

Totals are linear equations in the withheld counts. A count is given back if the equations determine it: if a row with
that count alone can be made from them. Providers that belong to the same groups stand in the same equations, so that
two of them protect each other; elimination over such kinds of providers is therefore exact and small.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any, TypeVar

Cell = TypeVar("Cell")
Groups = tuple[str, ...]
_PRIME = 2**61 - 1


def second_cells(cells: Mapping[Cell, Groups], withheld: Set[Cell], order: Callable[[Cell], Any]) -> set[Cell]:
    """Choose cells to withhold besides those that are small.

    Parameters
    ----------
    cells
        The cells of one count, one for each provider, with the groups that the provider belongs to. Totals of groups of
        one are left out: they are the cell itself.
    withheld
        The cells that are withheld for their own sake.
    order
        What to withhold first: the smallest.

    Returns
    -------
    The chosen cells. A cell stays determined only where no other is left to choose in the equation that gives it.
    """
    sizes = Counter(group for groups in cells.values() for group in groups)
    left: dict[Groups, list[Cell]] = defaultdict(list)
    for cell in sorted((cell for cell in cells if cell not in withheld), key=order, reverse=True):
        left[cells[cell]].append(cell)
    gone = Counter(cells[cell] for cell in withheld)
    chosen: set[Cell] = set()
    while left:
        found = _determined_kinds(gone, sizes, sorted(left, key=lambda one: order(left[one][-1])))
        curable = {kind: others for kind, others in found.items() if kind in left or others}
        if not curable:
            break
        kind, others = next(iter(curable.items()))
        helpful = (one for one in others if kind not in _determined_kinds(gone + Counter([one]), sizes))
        taken = kind if kind in left else next(helpful, others[0])
        chosen.add(left[taken].pop())
        gone[taken] += 1
        if not left[taken]:
            del left[taken]
    return chosen


def determined_cells(cells: Mapping[Cell, Groups], withheld: Collection[Cell]) -> set[Cell]:
    """Find the withheld cells that the totals of all groups, with everything that is not withheld, determine."""
    sizes = Counter(group for groups in cells.values() for group in groups)
    determined = set(_determined_kinds(Counter(cells[cell] for cell in withheld), sizes))
    return {cell for cell in withheld if cells[cell] in determined}


def _determined_kinds(
    gone: Mapping[Groups, int], sizes: Mapping[str, int], candidates: Sequence[Groups] = ()
) -> dict[Groups, list[Groups]]:
    """Find the kinds of providers whose only withheld cell is determined.

    Each with those of the candidates that stand in the equation which determines it.
    """
    kinds = sorted(gone)
    totals = sorted({group for groups in kinds for group in groups if sizes[group] > 1})
    rows = _reduced([[int(group in groups) for groups in (*kinds, *candidates)] for group in totals], len(kinds))
    found = {}
    for row in rows:
        unknown = [number for number, value in enumerate(row[: len(kinds)]) if value]
        if len(unknown) == 1 and gone[kinds[unknown[0]]] == 1:
            used = zip(candidates, row[len(kinds) :], strict=True)
            found[kinds[unknown[0]]] = [one for one, value in used if value]
    return found


def _reduced(rows: Sequence[Sequence[int]], unknown: int) -> list[list[int]]:
    """Bring equations into reduced row echelon form in their first ``unknown`` columns.

    Counted modulo a prime above every determinant of zeros and ones with 35 rows, hence exact up to 35 groups; and for
    any number where they divide the providers in two ways, as peers and states do: determinants are then 0, 1 and -1.
    """
    left = [list(row) for row in rows]
    done: list[list[int]] = []
    for column in range(unknown):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        inverse = pow(pivot[column], -1, _PRIME)
        pivot = [value * inverse % _PRIME for value in pivot]
        left = [_minus(row, pivot, row[column]) for row in left]
        done = [*(_minus(row, pivot, row[column]) for row in done), pivot]
    return done


def _minus(row: Sequence[int], pivot: Sequence[int], times: int) -> list[int]:
    return [(value - times * other) % _PRIME for value, other in zip(row, pivot, strict=True)] if times else list(row)
