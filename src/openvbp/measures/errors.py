"""What is wrong with the definition of a measure."""

from __future__ import annotations

from openvbp.errors import UsageError


class MeasureError(UsageError):
    """A measure is not well defined: found when it is written, before any data are read."""


class GrainError(MeasureError):
    """Rows of different grain are mixed: many events where one value for each subject is needed, or the reverse."""
