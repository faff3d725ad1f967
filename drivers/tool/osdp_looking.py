"""An OSDP reader that is only looked at: a driver of it that opens no output, closes none and shows no signal."""

from drivers.devices.osdp import OsdpDriver
from drivers.tool.target import Target, driver_of, options_of


def osdp_looking(target: Target) -> OsdpDriver:
    """The driver; ends with exit code 2 when the target's description fits none, or libosdp is not installed."""
    driver_of(target)
    given = options_of(target)
    return OsdpDriver(
        key_file=given["key_file"] or "",
        unit=given.get("unit") or 0,
        outputs=given.get("outputs") or 1,
        inputs=given.get("inputs") or 0,
        baud=given.get("baud") or 9600,
        looks=True,
    )
