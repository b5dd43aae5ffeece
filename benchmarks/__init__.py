"""Measurements of the package against its targets: ``python -m benchmarks``."""
