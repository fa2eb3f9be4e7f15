"""Measurements beside every peer that is installed: ``python -m benchmarks --help``."""
