"""The rooms of one consultation: a screen for each step, at one address for each case."""
