"""Cells of CSV files as values."""
