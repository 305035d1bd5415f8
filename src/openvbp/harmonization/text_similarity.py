"""How alike texts are: cosine of their character n-grams, weighted by how rare these are (TF-IDF).

The method is scikit-learn's ``TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2)``,
and gives the same pairs. It stands here because it is short, takes no longer and asks for no further package.
Similarities are binary floats: they choose candidates and never enter a score.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

SIZES = (3, 4, 5)
LEAST_TEXTS = 2
"""An n-gram that fewer texts have cannot make two of them alike."""


def normalized(text: str) -> str:
    """Reduce to lower-case letters, digits and the signs that thresholds are made of.

    Examples
    --------
    >>> normalized("HbA1c Poor Control (> 9.0%)")
    'hba1c poor control > 9 0%'
    """
    return " ".join(re.sub(r"[^a-z0-9<>%]+", " ", text.lower()).split())


@cache
def _of_word(word: str) -> tuple[str, ...]:
    padded = f" {word} "
    found: list[str] = []
    for size in SIZES:
        found.extend(padded[start : start + size] for start in range(max(len(padded) - size, 0) + 1))
        if len(padded) <= size:
            break
    return tuple(found)


class TextIndex:
    """Texts as vectors of unit length, kept per n-gram."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(gram for word in normalized(one).split() for gram in _of_word(word)) for one in texts]
        having = Counter(gram for one in counts for gram in one)
        number = {gram: place for place, gram in enumerate(sorted(g for g, n in having.items() if n >= LEAST_TEXTS))}
        rarity = np.array([math.log((1 + len(texts)) / (1 + having[gram])) + 1 for gram in number])
        self._grams: list[npt.NDArray[np.int64]] = []
        self._weights: list[npt.NDArray[np.float64]] = []
        for one in counts:
            known = [(number[gram], times) for gram, times in one.items() if gram in number]
            grams = np.array([gram for gram, _times in known], dtype=np.int64)
            weights = (1 + np.log([float(times) for _gram, times in known])) * rarity[grams]
            self._grams.append(grams)
            self._weights.append(weights / (np.sqrt((weights**2).sum()) or 1.0))
        grams = np.concatenate([*self._grams, np.empty(0, dtype=np.int64)])
        lengths = [len(one) for one in self._grams]
        # By n-gram, and within it in the order of the texts.
        order = np.argsort(grams, kind="stable")
        self._texts = np.repeat(np.arange(len(texts)), lengths)[order]
        self._by_gram = np.concatenate([*self._weights, np.empty(0)])[order]
        self._start = np.searchsorted(grams[order], np.arange(len(number) + 1))
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        self._places = np.split(places, np.cumsum(lengths)[:-1])

    def similarities(self, text: int) -> npt.NDArray[np.float64]:
        """Give the similarity of one text to each, between 0 and 1, in their order."""
        return self._products(text, self._start[self._grams[text]])

    def pairs(self, at_least: float) -> Iterator[tuple[int, int, float]]:
        """Give every pair of texts that are alike, the first with the lower number."""
        for first, places in enumerate(self._places):
            found = self._products(first, places + 1)
            for second in np.flatnonzero(found >= at_least):
                yield first, int(second), float(found[second])

    def _products(self, text: int, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Sum the products with all texts that stand at or after a place in the list of each of the text's n-grams."""
        lengths = self._start[self._grams[text] + 1] - starts
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
        products = self._by_gram[places] * np.repeat(self._weights[text], lengths)
        return np.bincount(self._texts[places], weights=products, minlength=len(self._grams))
