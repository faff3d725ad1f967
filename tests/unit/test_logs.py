import subprocess
import sys

import pytest

from passes.gp1 import PREFIX
from shell.logs import mask
from tests.minting import Mint


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("call 13800138000 now", "call 138****8000 now"),
        ("to +8613912345678", "to 139****5678"),
        ("to +442071838750.", "to +44****50."),
        ("to=+12025550123,+4930123456", "to=+120****0123,+49****56"),
        ("+1234567 to +123456789012345", "+12****67 to +12****45"),
        ("at 12:00:00+0800, +123456 more, 442071838750", "at 12:00:00+0800, +123456 more, 442071838750"),
        ("+1234567890123456 is no number", "+1234567890123456 is no number"),
        ("to +86 139-1234-5678 or 2026-11-22", "to +86 139-1234-5678 or 2026-11-22"),
        ("stay 1a2b of gate south, 47 events", "stay 1a2b of gate south, 47 events"),
    ],
)
def test_i17_phone_numbers_are_masked_and_other_numbers_stay(written: str, shown: str) -> None:
    assert mask(written) == shown


def test_i17_a_pass_never_stands_in_a_log() -> None:
    text = Mint().paper()
    assert text not in mask(f"scanned {text}.")
    assert PREFIX + "…" in mask(f"scanned {text}.")


@pytest.mark.parametrize("hostile", ["a\nINFO granted", "\x1b[2J", "\u202egnp.exe", "a\r\nb", "\x00"])
def test_q4_control_characters_cannot_forge_or_hide_a_line(hostile: str) -> None:
    shown = mask(hostile)
    assert shown.isprintable()
    assert "\\x" in shown


LIBRARY_ERROR = """
import logging, pathlib
from shell.logs import get_logger, set_up_logs
set_up_logs("postern-test", json={json})
try:
    raise RuntimeError("cannot reach +442071838750\\nnor 13800138000")
except RuntimeError:
    logging.getLogger("uvicorn.error").exception("to %s", "+8613800138001")
    who, error = {{"p": "+442071838751"}}, ValueError("13800138003")
    get_logger("ours").exception("failed", to=["13800138002"], who=who, error=error)
get_logger("ours").info("figures", upto=13800138004, file=pathlib.Path("x"), ok=True)
"""


@pytest.mark.parametrize("json", [False, True])
def test_i17_what_libraries_and_tracebacks_say_is_masked_as_well(json: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY_ERROR.format(json=json)], capture_output=True, text=True, check=True
    )
    for hidden in (
        "13800138000",
        "442071838750",
        "442071838751",
        "13800138001",
        "13800138002",
        "13800138003",
    ):
        assert hidden not in done.stderr
    library, ours, *_, figures = done.stderr.splitlines()
    assert library.startswith("uvicorn.error: to 138****8001\\x0aTraceback")
    assert library.endswith("RuntimeError: cannot reach +44****50\\x0anor 138****8000")
    assert "138****8002" in ours
    assert "13800138004" in figures  # a count is not a text
