"""What docs/drivers.md says of boards is what the drivers do."""

import re
from pathlib import Path
from typing import Final

import pytest

from drivers.devices.modbus_profile import profile_names
from drivers.model import Refusal
from drivers.registry import PROTOCOLS, make_driver

DOCS: Final = Path(__file__).parents[3] / "docs"
PAPER: Final = (DOCS / "drivers.md").read_text("utf-8")


def row(name: str) -> list[str]:
    """The cells of a table's row that begins with this name."""
    found = re.search(rf"^\| \[?`{re.escape(name)}`.*$", PAPER, re.MULTILINE)
    assert found, f"{name} is not in docs/drivers.md"
    return [cell.strip() for cell in found[0].strip("|").split("|")]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_in_the_paper(protocol: str) -> None:
    assert len(row(protocol)) == 6


@pytest.mark.parametrize("profile", profile_names())
def test_every_profile_is_in_the_paper_as_it_is(profile: str) -> None:
    info = make_driver("modbus-relay", profile=profile).info
    _, has, timed, lengths, read = row(profile)
    assert has == f"{info.outputs or '–'}, {info.inputs or '–'}"
    if not info.outputs:
        assert (timed, lengths, read) == ("–", "–", "–")
        return
    assert timed == ("host" if info.host_timed else "board")
    least, most = info.pulse_ms
    assert lengths == f"{least} to {most}, step {info.pulse_step_ms}"
    assert read == ("yes" if info.reads_outputs else "no")


@pytest.mark.parametrize("protocol", ["lcus", "numato", "kmtronic", "devantech-usb"])
def test_boards_that_leave_the_timing_to_us_are_named_so(protocol: str) -> None:
    options = {"model": "USB-RLY08"} if protocol == "devantech-usb" else {}
    info = make_driver(protocol, **options).info  # type: ignore[arg-type]  # one option of one protocol
    assert row(protocol)[4] == ("host" if info.host_timed else "board")
    assert row(protocol)[3].startswith(str(info.outputs))


def test_every_refusal_and_every_link_of_the_paper_is_there() -> None:
    assert [why for why in Refusal if f"`{why.value}`" not in PAPER] == []
    links = re.findall(r"\]\(([^)#]+\.md)", PAPER)
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
