"""The version of hyperfastapi, as in `meson.build` (a test compares the two)."""

VERSION = "0.1.0"
