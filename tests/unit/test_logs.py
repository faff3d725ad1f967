import pytest

from passes.gp1 import PREFIX
from shell.logs import mask
from tests.minting import Mint


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("call 13800138000 now", "call 138****8000 now"),
        ("to +8613912345678", "to 139****5678"),
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
