"""``temp``, ``say``, ``sms test``, ``scan`` and ``scan commission`` against the virtual devices."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from simulators.boards.catalogue import make_board
from simulators.boards.device import Device
from simulators.boards.numato import Numato
from simulators.devices.modem import Modem
from simulators.devices.scanner import TextScanner as Scanner
from simulators.devices.scanner_gm65 import Gm65
from simulators.devices.scanner_menus import Honeywell, Newland
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614
from simulators.devices.voice import Syn6288
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.twins import run

pytestmark = pytest.mark.real
NUMBER = "13800138000"
SMS = ("sms", "test", "--to", NUMBER, "--text", "访客到达", "--port")


@pytest.mark.parametrize(
    ("make", "device"),
    [
        ("mcu90614", Mcu90614(person_c=36.5)),
        ("614v", Gy614V(person_c=36.5)),
        ("cjmcu", Cjmcu90614(person_c=36.5)),
    ],
)
def test_a_thermometer_gives_the_median_of_five(plug: Plug, make: str, device: Device) -> None:
    twin = plug(device)
    code, out, err = run("temp", "--port", twin.link, "--make", make, "--json")
    row = json.loads(out)
    assert (code, err, row["target_c"], row["ambient_c"], row["samples"]) == (0, "", 36.5, 25.0, 5)
    assert twin.moved() == []


def test_nobody_at_the_lens_is_no_reading_and_a_dead_module_is_exit_3(plug: Plug) -> None:
    twin = plug(Mcu90614())
    code, out, err = run("temp", "--port", twin.link, "--make", "mcu90614")
    assert (code, out) == (1, "no reading (surroundings 25 °C)\n")
    assert "nobody at the lens" in err
    code, _, err = run("temp", "--port", plug(make_board("lcus"), name="b").link, "--make", "mcu90614")
    assert (code, "check its supply" in err) == (3, True)


def test_an_sms_goes_from_sim_to_receipt_and_shows_four_digits_of_the_number(plug: Plug) -> None:
    modem = Modem(sends_in_s=0.1, reports_in_s=0.2)
    twin = plug(modem)
    code, out, err = run(*SMS, twin.link, "--json")
    row = json.loads(out)
    assert (code, row["result"], row["delivered"], row["to"], row["sim"]) == (
        0,
        "sent",
        True,
        "***8000",
        "READY",
    )
    assert [message.text for message in modem.network.inbox] == ["访客到达"]
    assert NUMBER not in out + err


def test_a_dry_run_shows_the_pdu_and_asks_nobody(plug: Plug) -> None:
    code, out, err = run(*SMS, "/dev/none", "--dry-run")
    assert (code, err) == (0, "")
    length, pdu = out.split()
    assert length == "AT+CMGS=22"
    assert pdu == "0021000D91**********00F0000808" + "访客到达".encode("utf-16-be").hex().upper()
    assert run("sms", "test", "--to", "no number", "--port", "/dev/none")[0] == 2


def test_a_message_that_the_network_refuses_was_not_sent(plug: Plug) -> None:
    modem = Modem(sends_in_s=0.1)
    modem.refuse = [38]
    code, out, err = run(*SMS, plug(modem).link, "--json")
    assert (code, json.loads(out)["result"], "Not sent" in err) == (1, "refused", True)


def test_the_voice_speaks_only_to_a_voice_module(plug: Plug) -> None:
    voice = Syn6288()
    code, out, _ = run("say", "您好hello", "--port", plug(voice).link)
    assert (code, out) == (0, "spoken, 9 bytes, accepted: the board says so\n")
    for kind in ("devantech-usb", "kmtronic", "lcus", "numato"):
        relays = plug(make_board(kind), name=kind)
        for words in ("您好hello", "您好"):  # the second is harmless to each of them
            code, out, err = run("say", words, "--port", relays.link)
            heard = kind == "numato" and words == "您好hello"  # it sends back what it gets
            assert (code, out, "othing else was sent" in err) == (1 if heard else 3, "", True), (kind, err)
        assert relays.moved() == []
    code, out, _ = run("say", "您好", "--port", "/dev/none", "--dry-run")
    assert (code, out) == (0, "FD 00 07 01 00 C4 FA BA C3 BC\n")
    assert run("say", "😀", "--port", "/dev/none")[0] == 2


@pytest.mark.parametrize(
    ("make", "device"), [("gm65", Gm65()), ("honeywell", Honeywell()), ("newland", Newland())]
)
def test_set_up_codes_are_switched_off_where_the_device_can_prove_it(
    plug: Plug, make: str, device: Any
) -> None:
    twin = plug(device)
    assert device.obeys_setup_codes
    code, out, err = run("scan", "commission", "--port", twin.link, "--make", make, "--save", "--json")
    row = json.loads(out)
    proves = make == "gm65"
    assert (code, row["proved"], row["saved"]) == ((0, True, True) if proves else (1, False, False)), err
    assert device.obeys_setup_codes is not proves
    assert ("the maker's manual" in err) is not proves


def test_a_printed_code_that_is_shown_afterwards_changes_nothing(plug: Plug) -> None:
    scanner = Gm65()
    twin = plug(scanner)

    def visitor() -> None:
        deadline_s = time.monotonic() + 5
        while scanner.obeys_setup_codes and time.monotonic() < deadline_s:
            threading.Event().wait(0.02)
        twin.station.ask(lambda: scanner.show_setup("mute", time.monotonic()).clear())

    shows = threading.Thread(target=visitor)
    shows.start()
    code, out, err = run(
        "scan", "commission", "--port", twin.link, "--make", "gm65", "--try-code", "1", "--json"
    )
    shows.join()
    assert (code, json.loads(out)["after_a_code"]) == (0, True), err


@pytest.mark.parametrize(
    ("terminator", "ending"), [("cr", "CR"), ("crlf", "CR LF"), ("tab", "TAB"), ("none", None)]
)
def test_scan_shows_codes_their_ending_and_their_bytes(
    plug: Plug, terminator: str, ending: str | None
) -> None:
    scanner = Scanner(terminator=terminator)
    scanner.repeat(["访客A"], every_s=0.3)
    scan = ("scan", "--port", plug(scanner).link, "--count", "1", "--timeout", "5")
    code, out, _ = run(*scan, "--json")
    row = json.loads(out)
    assert (code, row["text"], row["ending"]) == (0, "访客A", ending)
    code, out, _ = run(*scan, "--raw")
    assert (code, out.splitlines()[0], "E8 AE BF E5 AE A2 41" in out) == (0, "访客A", True)


def test_scan_without_a_code_is_exit_1_and_sends_nothing(plug: Plug) -> None:
    twin = plug(make_board("devantech-usb"))
    code, out, err = run("scan", "--port", twin.link, "--count", "1", "--timeout", "0.2")
    assert (code, out, twin.moved()) == (1, "", [])
    assert err == "0 of 1 codes came within 0.2 s\n"
    assert run("scan")[0] == 2


HOSTILE = "A\x1b]0;X\x07\x9b2J\u202eB"
SPELT = r"A\x1b]0;X\x07\x9b2J\u202eB"


def _obeyed(out: str) -> list[str]:
    return [each for each in out if each in "\x1b\x07\x9b\u202e"]


@pytest.mark.parametrize("command", [("scan",), ("watch", "--protocol", "scanner", "--make", "text")])
def test_a_code_never_drives_the_terminal_and_what_it_holds_is_shown(
    plug: Plug, command: tuple[str, ...]
) -> None:
    scanner = Scanner()
    scanner.repeat([HOSTILE], every_s=0.3)
    listen = [*command, "--port", str(plug(scanner).link), "--count", "1", "--timeout", "5"]
    code, out, err = run(*listen)
    assert (code, SPELT in out, _obeyed(out + err)) == (0, True, []), out + err
    code, out, err = run(*listen, "--json")
    assert (code, json.loads(out)["text"], _obeyed(out + err)) == (0, HOSTILE, []), out + err


def test_a_version_that_a_board_gives_never_drives_the_terminal(plug: Plug) -> None:
    board = Numato()
    board.version = "1\x1b]0;X\x07"
    asked = ("identify", "--port", plug(board).link, "--protocol", "numato", "--confirm", "isolated")
    code, out, err = run(*asked)
    assert (code, r"1\x1b]0;X\x07" in out, _obeyed(out + err)) == (0, True, []), out + err


@pytest.mark.parametrize("protocol", ["modem", ""])
def test_a_report_with_the_trace_of_a_modem_holds_no_number_in_any_writing(
    plug: Plug, tmp_path: Path, protocol: str
) -> None:
    twin, trace = plug(Modem(sends_in_s=0.1, reports_in_s=0.2)), tmp_path / "trace-1.jsonl"
    assert run(*SMS, twin.link, "--trace", trace)[0] == 0
    header, *rows = trace.read_text("utf-8").splitlines()
    head = json.loads(header) | {"protocol": protocol}
    trace.write_text("\n".join([json.dumps(head), *rows, '{"ms": 1, "do": "rx", "hex": "3']), "utf-8")
    swapped = NUMBER + "F"
    swapped = "".join(swapped[at + 1] + swapped[at] for at in range(0, len(swapped), 2))
    writings = [NUMBER, swapped, *(each.encode().hex(" ").upper() for each in (NUMBER, swapped, swapped[:6]))]
    assert [each for each in writings[1:] if each in "\n".join(rows)] != []
    code, out, err = run("report", "--trace", trace, "--json")
    kept = [json.loads(line) for line in json.loads(out)["trace"][:-1]]
    assert (code, [each for each in writings if each in out + err]) == (0, [])
    assert not any("hex" in row for row in kept)
    assert {"AT+CMGS", "OK"} <= {word for row in kept for word in row.get("frames", [])}
    assert kept[-1]["do"] == "close"


def test_the_trace_of_a_board_keeps_what_was_sent_in_a_report_and_no_number_that_came(tmp_path: Path) -> None:
    trace = tmp_path / "trace-1.jsonl"
    trace.write_text(
        '{"trace": 1, "protocol": "lcus"}\n{"ms": 1.0, "do": "tx", "hex": "A0 01 01 A2"}\n'
        f'{{"ms": 2.0, "do": "rx", "hex": "{NUMBER.encode().hex(" ")}"}}\n',
        encoding="utf-8",
    )
    code, out, _ = run("report", "--trace", trace, "--json")
    rows = [json.loads(line) for line in json.loads(out)["trace"]]
    assert (code, rows[1]["hex"]) == (0, "A0 01 01 A2")
    assert (rows[2]["bytes"], rows[2].get("hex", "")) == (len(NUMBER), "")
