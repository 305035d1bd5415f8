"""openvbp runs, audits and evaluates pay-for-performance and value-based purchasing programs."""

__version__ = "0.1.0"
