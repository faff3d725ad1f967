"""What a camera may read from a sticker: answered, never run, never raised."""

import ast
from pathlib import Path

import cbor2
import pytest

import passes
from passes.check import Checked, Foreign, Rejected, Verified, check
from passes.gp1 import PREFIX, protected_header, to_text
from passes.keys import key_id
from passes.vocabulary import Reason
from tests.minting import NOW, NOW_UNIX, Mint, claims

MINT = Mint()
TEXTS = {
    "q1_quotes": "' OR 1=1 --",
    "q1_double": '" OR ""="',
    "q1_curly": "’ OR 1=1 ‘",
    "q2_backtick": "`reboot`",
    "q2_shell": "$(reboot); reboot | reboot",
    "q5_nul": "A\0B",
    "q5_surrogate": "\ud800",
    "q5_eci": "\\000026GP1:",
    "q5_bom": "\ufeff",
    "q16_arabic_digits": "٠١٢٣٤٥٦٧٨٩",
    "q16_wide": "ＧＰ１：ＡＢＣ",
    "q16_look_alike": "ВВ8",  # Cyrillic
    "q16_combining": "A\u0301",
    "q17_format": "{0.__class__.__init__.__globals__}",
    "q17_percent": "%n%n%s%s",
    "q6_digits": "7" * 7089,
}


def ask(text: str) -> Checked:
    return check(text, MINT.table, now=NOW)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_texts_are_foreign_without_the_prefix_and_malformed_with_it(text: str) -> None:
    assert ask(text) == Foreign()
    answer = ask(PREFIX + text)
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.MALFORMED


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_texts_within_a_good_pass_spoil_it(text: str) -> None:
    answer = ask(MINT.paper()[:60] + text)
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.MALFORMED


DEEP = b"\x81" * 200 + b"\x00"
PAYLOADS = {
    "q7_nesting": DEEP,
    "q7_nested_map": b"\xa1\x00" * 120 + b"\x00",
    "q7_maps_as_keys": b"\xa1" * 60 + b"\x00" * 61,
    "q7_endless_array": b"\x9f" * 60,
    "q7_endless_map": b"\xbf\x04\x01\xff",
    "q7_huge_length": b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    "q7_huge_integer": cbor2.dumps({4: 2**512}),
    "q7_nan": b"\xa1\x04\xf9\x7e\x00",
    "q7_float_label": cbor2.dumps({4.0: NOW_UNIX, 5: 1, 7: b"\0" * 8, -65537: []}),
    "q7_duplicate_key": b"\xa2\x04\x01\x04\x02",
    "q7_regex_tag": b"\xd8\x23\x62((",
    "q7_mime_tag": b"\xd8\x24\x61x",
    "q7_cycle": b"\xd8\x1c\x81\xd8\x1d\x00",
    "q7_decimal_tag": b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    "q7_date_tag": b"\xc0\x61x",
    "q7_truth": b"\xf5",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_claims_that_are_a_trap_are_not_opened_before_the_signature_and_refused_after_it(
    payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(payload) < 256
    length = b"\x58" + bytes([len(payload)])
    shortest = bytes([0x40 + len(payload)]) if len(payload) < 24 else length
    header = protected_header(MINT.algorithm, key_id(MINT.public))
    signature = MINT.sign(b"\x84\x6aSignature1\x49" + header + b"\x40" + shortest + payload)
    body = b"\x84\x49" + header + b"\xa0" + length + payload + b"\x58\x40"
    by_issuer = ask(to_text(body + signature))
    assert isinstance(by_issuer, Rejected)
    assert by_issuer.reason is Reason.MALFORMED
    assert by_issuer.detail.startswith("claims: ")

    def opened(_: bytes) -> None:
        pytest.fail("CBOR of a stranger was decoded")

    monkeypatch.setattr(cbor2, "loads", opened)
    by_stranger = ask(to_text(body + bytes(64)))
    assert isinstance(by_stranger, Rejected)
    assert by_stranger.reason is Reason.BAD_SIGNATURE


def test_q8_nothing_on_the_way_of_a_scan_decompresses_or_runs_anything() -> None:
    folder = Path(passes.__file__).parent
    seen, waiting = set[str](), {"check", "decide"}
    imported = set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
                if node.module == "passes":
                    waiting |= {alias.name for alias in node.names} - seen
                elif node.module.startswith("passes."):
                    waiting |= {node.module.removeprefix("passes.")} - seen
            elif isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
    assert {"gp1", "claims", "keys", "base45", "schedule", "shortcode", "walkin", "stay"} <= seen
    assert not imported & {
        "zlib",
        "gzip",
        "bz2",
        "lzma",
        "zipfile",
        "subprocess",
        "os",
        "re",
        "pickle",
        "socket",
    }


def test_a_good_pass_beside_all_this_is_still_read() -> None:
    assert ask(MINT.paper()) == Verified(claims(entries=1), None)
