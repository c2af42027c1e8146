"""The traditional block of the report: what may stand in it, and the check of its herbs."""
