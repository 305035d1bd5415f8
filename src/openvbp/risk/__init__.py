"""Risk scores by condition categories: from diagnoses and enrolment to a score, step by step."""
