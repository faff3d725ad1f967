"""How a gate is now, for the installer's tool: boards, lanes, and which inputs are active."""

from typing import Any

from drivers.gate.config import GateConfig
from drivers.model import DriverInfo, Identity
from edge.board_facts import BoardFacts
from edge.devices import Devices
from edge.emergency import Emergency
from edge.lane_state import LaneState
from edge.lanes import Lanes
from shell.clock import Clock


class Snapshot:
    """Tells how things stand, in values that JSON knows. Not thread-safe: the deciding thread owns it.

    Args:
        config: The gate.
        infos: What each board can do.
        facts: What each board said of itself.
        lanes, devices, emergency: The gate's.
        clock: Time.
    """

    def __init__(
        self,
        config: GateConfig,
        *,
        infos: dict[str, DriverInfo],
        facts: dict[str, BoardFacts],
        lanes: Lanes,
        devices: Devices,
        emergency: Emergency,
        clock: Clock,
    ) -> None:
        self._config, self._infos, self._facts = config, infos, facts
        self._lanes, self._devices, self._emergency, self._clock = lanes, devices, emergency, clock

    def take(self) -> dict[str, Any]:
        """Boards, lanes and inputs as they are now."""
        return {
            "emergency": self._emergency.phase.value,
            "boards": [self._board(section.name) for section in self._config.board],
            "lanes": [self._lane(state) for state in self._lanes.states.values()],
            "inputs": [
                {
                    "role": section.role,
                    "board": section.board,
                    "channel": section.channel,
                    "lane": section.lane,
                    "active": active,
                }
                for section, active in self._devices.roles.all()
            ],
        }

    def _board(self, name: str) -> dict[str, Any]:
        section = next(board for board in self._config.board if board.name == name)
        facts, info = self._facts[name], self._infos[name]
        return {
            "name": name,
            "protocol": section.protocol,
            "port": section.port,
            "line": {None: "unknown", True: "up", False: "down"}[facts.line_up],
            "why": facts.line_why,
            "fault": facts.fault,
            "identity": None if facts.identity is None else identity_facts(facts.identity),
            "garbage_bytes": facts.garbage_bytes,
            "outputs": info.outputs,
            "inputs": info.inputs,
            "active": sorted(self._devices.active[name]),
            "sides": [side.value for side in info.sides],
            "host_timed": info.host_timed,
        }

    def _lane(self, state: LaneState) -> dict[str, Any]:
        section, now_s = state.section, self._clock.monotonic_s()
        left_s = None if state.held is None else round(max(0.0, state.held.until_s - now_s), 1)
        return {
            "name": section.name,
            "direction": section.direction.value,
            "board": section.board,
            "channel": section.channel,
            "side": section.side.value if section.side else None,
            "state": state.lane.state.value,
            "works": self._lanes.works(state),
            "held_s": left_s,
            "release": section.release,
            "on_power_loss": section.on_power_loss,
            "tested_by": section.tested_by,
            "tested_on": section.tested_on.isoformat() if section.tested_on else None,
        }


def identity_facts(identity: Identity) -> dict[str, str]:
    """Who a device says it is."""
    return {
        "maker": identity.maker,
        "model": identity.model,
        "firmware": identity.firmware,
        "serial": identity.serial,
        "certainty": identity.certainty.value,
    }
