"""What an OSDP reader is told and asked, as libosdp wants it written."""

from enum import StrEnum

from drivers.devices.osdp_library import library

Command = dict[str, int | bytes | bool]


class Reports(StrEnum):
    """What a reader tells the state of."""

    LOCAL = "local"  # tamper, power
    INPUTS = "inputs"
    OUTPUTS = "outputs"


def output(channel: int, *, tenths: int = 0, on: bool) -> Command:
    """Close one output for so many tenths of a second, timed by the reader, or open it at once."""
    assert on == bool(tenths), "an output is never closed without an end"
    assert 0 <= tenths <= 255, "libosdp carries one byte"
    code = 5 if on else 1  # on for a while; off for good, ending what runs
    return {
        "command": library.CMD_OUTPUT,
        "output_no": channel - 1,
        "control_code": code,
        "timer_count": tenths,
    }


def report(what: Reports) -> Command:
    """Ask for states."""
    kinds = {
        Reports.LOCAL: library.STATUS_REPORT_LOCAL,
        Reports.INPUTS: library.STATUS_REPORT_INPUT,
        Reports.OUTPUTS: library.STATUS_REPORT_OUTPUT,
    }
    return {"command": library.CMD_STATUS, "type": kinds[what]}


def new_key(key: bytes) -> Command:
    """Give the reader a new key, through the secure channel of the old one."""
    return {"command": library.CMD_KEYSET, "type": 1, "data": key}
