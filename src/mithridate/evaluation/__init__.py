"""Metrics, the record of a run, the report with its plots, and the benchmarks."""
