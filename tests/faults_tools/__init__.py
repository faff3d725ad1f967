"""Means to break the gate's disk, power and processes on purpose; ``docs/faults.md`` says how they are used."""
