"""Fuzzing of net/: libFuzzer targets in C, and a comparison with other parsers in Python."""
