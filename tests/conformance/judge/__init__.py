"""Tests of the suite itself. They count in no area."""
