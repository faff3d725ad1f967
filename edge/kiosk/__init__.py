"""The guard's screen at the gate: the verdict of the last scan, who is inside, what was refused and why."""
