"""Sources of claims turned into a claims folder: one module per source, its layout as data in ``layouts/``."""

from openvbp.claims.adapters.loading import LAYOUTS, LoadReport, load

__all__ = ["LAYOUTS", "LoadReport", "load"]
