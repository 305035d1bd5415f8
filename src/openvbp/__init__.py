"""openvbp runs, audits and evaluates pay-for-performance and value-based purchasing programs.

``import openvbp as vbp`` mirrors the command line: the command ``openvbp outcomes fit`` is ``vbp.outcomes_fit``. Each
name is the function that the command calls, read when it is first used; texts are taken where it asks for paths.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = {
    "Evaluation": "evaluation.evaluation:Evaluation",
    "accounts_add": "web.accounts:add_account",
    "accounts_list": "web.accounts:read_accounts",
    "accounts_remove": "web.accounts:remove_account",
    "attribute": "attribution.run:attribute_folder",
    "attribute_compare": "attribution_comparison.folder:compare_folder",
    "audit_settlement": "settlement_audit:audit_settlement",
    "audit_thresholds": "audit.thresholds:audit_thresholds",
    "break_even": "settlement_forecast:break_even_of",
    "check": "programs.contract.contract_file:read_contract",
    "claims_check": "claims.checks:check_claims",
    "claims_events": "claims.events:write_events",
    "claims_load": "claims.adapters:load",
    "claims_panel": "claims_chain.unit_panel:write_unit_panel",
    "compare": "reporting.comparison:compare",
    "compare_runs": "reporting.delta:run_change",
    "diagnose": "diagnosis.diagnose:diagnose",
    "draws": "uncertainty.run_draws:draws_of_run",
    "evaluate_cells": "evaluation.run:write_cells",
    "evaluate_lock": "evaluation.run:lock_study",
    "evaluate_panel": "evaluation.model_panel:panel_of_models",
    "evaluate_run": "evaluation.run:run_study",
    "evaluate_schema": "evaluation.study_file:json_schema",
    "evaluate_shrinkage": "evaluation.shrinkage:shrinkage_by_condition",
    "evaluate_truth": "evaluation.known_truth:true_effects",
    "explain": "reporting.explanation:explain",
    "export": "reporting.export:export",
    "export_statements": "web.publishing.statements:write_statements",
    "fetch": "fetching:fetch",
    "forecast": "settlement_forecast:forecast",
    "generate": "claims.synthetic.population:generate",
    "harmonize_burden": "harmonization.burden:burden_of",
    "harmonize_compare": "harmonization.definition_differences:differences",
    "harmonize_data": "harmonization.data_run:compare_folder",
    "harmonize_lint": "harmonization.lint:lint",
    "harmonize_pairs": "harmonization.candidate_pairs:candidate_pairs",
    "harmonize_programs": "harmonization.program_burden:burden_of_programs",
    "list_programs": "programs.listing:all_programs",
    "measures_demonstration_codes": "measures.demonstration_codes:write_demonstration_codes",
    "measures_explain": "measures.explanation:explain",
    "measures_fhir": "measures.fhir.run:run_on_bundles",
    "measures_kinds": "measures.listing:kinds",
    "measures_list": "measures.catalogue:shipped",
    "measures_readmission_value_sets": "measures.readmission_value_sets:make_readmission_value_sets",
    "measures_run": "measures.run:run_measures",
    "measures_show": "measures.catalogue:find_measures",
    "measures_test": "measures.examples:differences",
    "open_run": "run_folder:open_run",
    "outcomes_combine": "outcome_models.result_tables:combine_folders",
    "outcomes_cost": "outcome_models.cost_run:measure_costs",
    "outcomes_fit": "outcome_models.run:fit_file",
    "profile_drift": "profiling.drift_inputs:find_drift",
    "profile_fairness": "profiling.fairness:write_fairness_card",
    "profile_flags": "profiling.flags:write_flags",
    "review": "design_review.review:review",
    "risk_comorbidities": "grouping.run:group_data",
    "risk_hcc": "risk.run:score_folder",
    "risk_hhs": "risk.marketplace_run:score_marketplace_folder",
    "publish": "web.publishing.static_site:publish",
    "run": "pipeline:run",
    "run_hospitals_from_claims": "claims_chain.hospital_program:run_from_claims",
    "serve": "web.server:serve",
    "settle_from_claims": "claims_chain.settlement:settle_from_claims",
    "true_payments": "attribution_comparison.true_payments:true_payments",
    "what_if": "web.lab:Lab",
}
__all__ = sorted([*_FUNCTIONS, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Give a function of the command line's."""
    if name not in _FUNCTIONS:
        raise AttributeError(f"module 'openvbp' has no attribute '{name}'")
    module, _, function = _FUNCTIONS[name].partition(":")
    found = _taking_texts_as_paths(getattr(import_module(f"openvbp.{module}"), function))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the functions, for completion."""
    return __all__


def _taking_texts_as_paths(function: Any) -> Any:
    """Let a function be called with texts where its parameters are paths."""
    signature = inspect.signature(function)
    paths = {name for name, one in signature.parameters.items() if str(one.annotation).startswith("Path")}

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        given = signature.bind(*arguments, **named)
        for name in paths & given.arguments.keys():
            if isinstance(given.arguments[name], str):
                given.arguments[name] = Path(given.arguments[name])
        return function(*given.args, **given.kwargs)

    return called if paths else function
