"""Severity by code: PASI, body surface, bands, and the change since the previous visit."""
