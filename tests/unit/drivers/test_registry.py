"""Every protocol name leads to a driver that knows itself by that name."""

import pytest

from drivers.registry import DRIVERS, UnknownProtocolError, make_driver


@pytest.mark.parametrize("protocol", sorted(DRIVERS))
def test_every_driver_bears_its_registered_name_and_can_do_something(protocol: str) -> None:
    info = make_driver(protocol).info
    assert info.protocol == protocol
    assert info.outputs + info.inputs > 0


def test_an_unknown_protocol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownProtocolError, match=r"'lcu' is unknown\. Use one of: lcus, modbus-inputs"):
        make_driver("lcu")
