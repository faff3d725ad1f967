"""``gate.toml`` as the gate uses it; what may stand there is said in ``drivers.gate.config``."""

from drivers.gate.config import GateConfig, GateSection, StaySection, load_config

__all__ = ["GateConfig", "GateSection", "StaySection", "load_config"]
