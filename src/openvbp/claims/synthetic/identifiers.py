"""Made-up identifiers that keep the rules of real ones and collide with none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_LUHN_OF_PREFIX = 24
"""What the prefix 80840 of the card issuer adds to the sum of digits."""


def npis(region: int, numbers: np.ndarray) -> list[str]:
    """National provider identifiers with a right check digit.

    They begin with 2, which the standard allows and the registry has not used.

    Source: CMS, Requirements for National Provider Identifier check digit (Luhn, prefix 80840).
    """
    return [stem + _check_digit(stem) for stem in (f"2{region:04d}{number:04d}" for number in numbers)]


def _check_digit(stem: str) -> str:
    total = _LUHN_OF_PREFIX
    for place, digit in enumerate(reversed(stem)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def numbered(prefix: str, numbers: np.ndarray, digits: int) -> pa.StringArray:
    """Texts of a prefix and a number with leading zeros, made without a loop over rows.

    Parameters
    ----------
    prefix
        ASCII text.
    numbers
        Whole numbers, not negative.
    digits
        Width of the number.
    """
    width = len(prefix) + digits
    text = np.empty((len(numbers), width), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    rest = numbers.astype(np.int64)
    for place in range(width - 1, len(prefix) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        text[:, place] = digit + ord("0")
    offsets = np.arange(0, (len(numbers) + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text))
