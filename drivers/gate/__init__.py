"""What a ``gate.toml`` may say: one model, by which the gate starts and the installer's tool checks."""
