"""Benchmarks: servers side by side in one run, as ratios to a floor measured in the same round."""
