"""Similarity of texts and the smallest set of measures, against plain computations."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.harmonization.measure_selection import PaymentLine, kept, smallest_selection
from openvbp.harmonization.text_similarity import TextIndex

WORDS = st.lists(st.sampled_from(["knee", "kneel", "pain", "a1c", "> 9%", "in", "ACE-inhibitor"]), max_size=5)


def _vectors(texts: list[str]) -> list[dict[str, float]]:
    """The same definition, written without any index."""
    counted = []
    for text in texts:
        grams: Counter[str] = Counter()
        for word in "".join(c if c.isascii() and (c.isalnum() or c in "<>%") else " " for c in text.lower()).split():
            padded = f" {word} "
            for size in (3, 4, 5):
                starts = range(len(padded) - size + 1)
                grams.update([padded[start : start + size] for start in starts] or [padded])
                if len(padded) <= size:
                    break
        counted.append(grams)
    having = Counter(gram for one in counted for gram in one)
    found = []
    for one in counted:
        weights = {
            gram: (1 + math.log(times)) * (math.log((1 + len(texts)) / (1 + having[gram])) + 1)
            for gram, times in one.items()
            if having[gram] >= 2
        }
        length = math.sqrt(sum(weight**2 for weight in weights.values())) or 1
        found.append({gram: weight / length for gram, weight in weights.items()})
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(WORDS.map(" ".join), min_size=2, max_size=6))
def test_similarity_is_the_cosine(texts: list[str]) -> None:
    index, vectors = TextIndex(texts), _vectors(texts)
    plain = [[sum(weight * b.get(gram, 0.0) for gram, weight in a.items()) for b in vectors] for a in vectors]
    for place, row in enumerate(plain):
        assert all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(index.similarities(place), row, strict=True))
    # Away from the bar, where the last digit would decide.
    found = {(a, b): similarity for a, b, similarity in index.pairs(0.5)}
    for a, b in itertools.combinations(range(len(texts)), 2):
        if abs(plain[a][b] - 0.5) > 1e-9:
            assert ((a, b) in found) == (plain[a][b] > 0.5)
    assert all(math.isclose(similarity, plain[a][b], abs_tol=1e-9) for (a, b), similarity in found.items())


MEASURES = [f"m{place:02}" for place in range(15)]
LINE = st.tuples(
    st.decimals(0, 20, places=2), st.frozensets(st.sampled_from(MEASURES), min_size=1, max_size=6), st.integers(1, 4)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=8), st.decimals("0.01", 1, places=2))
def test_no_smaller_set_keeps_the_money(rows: list[tuple[Decimal, frozenset[str], int]], share: Decimal) -> None:
    lines = [PaymentLine(f"l{place}", *row) for place, row in enumerate(rows)]
    found = smallest_selection(lines, share)
    target = min(found.total * share, kept(lines, MEASURES))
    assert found.kept == kept(lines, found.measures) >= target
    # Every smaller set, one by one: 15 measures have 32,768 sets, those of this size less one are enough.
    used = sorted(frozenset().union(*(one.measures for one in lines)))
    smaller = itertools.combinations(used, max(len(found.measures) - 1, 0))
    assert not found.measures or all(kept(lines, one) < target for one in smaller)


@settings(max_examples=20, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=8), st.randoms())
def test_the_order_of_the_lines_does_not_matter(rows: list[tuple[Decimal, frozenset[str], int]], order: object) -> None:
    lines = [PaymentLine(f"l{place}", *row) for place, row in enumerate(rows)]
    size = len(smallest_selection(lines, Decimal("0.8")).measures)
    order.shuffle(lines)  # type: ignore[attr-defined]
    assert len(smallest_selection(lines, Decimal("0.8")).measures) == size
