"""The hardware part of ``gate.toml`` as the gate uses it; what may stand there is said in ``drivers.gate.hardware``.

The installer's tool judges a file by the same model, and may not import the gate.
"""

from drivers.gate.hardware import PULSE_MS_MAX, BoardSection, InputSection, LaneSection

__all__ = ["PULSE_MS_MAX", "BoardSection", "InputSection", "LaneSection"]
