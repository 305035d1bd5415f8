"""Quality and Outcomes Framework: points and payments of general practices in Scotland and England."""
