"""Benchmarks as ratios to named baselines: ``make bench``. Ratios travel between machines, milliseconds do not."""
