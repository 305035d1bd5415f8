"""Groups of diagnoses by lists of codes: comorbidities, clinical categories, and indices of them."""
