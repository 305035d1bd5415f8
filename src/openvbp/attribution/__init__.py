"""Who is responsible for whom: attribution rules as data, one evaluator, shared credit, shared patients."""

from openvbp.attribution.evaluator import Attribution, Events, attribute
from openvbp.attribution.rule_files import read_rule, rule_ids, shipped_rule

__all__ = ["Attribution", "Events", "attribute", "read_rule", "rule_ids", "shipped_rule"]
