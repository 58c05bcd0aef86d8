"""Checks of the protocols by programs of others, and under load: too long for every test run."""
