"""The ordered actions of the report, by rules."""
