"""``osdp set-key``, ``identify`` and ``detect --probe osdp``; the other end is libosdp's own peripheral."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.devices import osdp_library
from drivers.devices.osdp_key import DEFAULT_KEY
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_osdp_commands import GATE, KEY, OTHER, UNIT, by_port, write_key
from tests.real.drivers.tool.twins import run

osdp_sys: Any = pytest.importorskip(
    "osdp_sys", reason="libosdp has no wheel here: the extra osdp is not installed"
)
from simulators.boards.osdp_pd import OsdpReader  # noqa: E402  # needs libosdp

pytestmark = pytest.mark.real
CALLED = "cafe01 2.1 1.2.3"


def set_key(link: Path, file: Path, *more: str | Path) -> tuple[int, str, str]:
    return run("osdp", "set-key", "--port", link, "--unit", str(UNIT), "--key-file", file, *more)


def in_hex(file: Path) -> str:
    return file.read_text(encoding="ascii").strip()


def test_a_first_key_is_set_on_a_bench_only_and_said_where_it_is(plug: Plug, tmp_path: Path) -> None:
    device, file = OsdpReader(unit=UNIT, key=None), tmp_path / "reader.key"
    twin = plug(device)
    code, out, err = set_key(twin.link, file)
    assert (code, out, "Nothing was sent" in err, device.key, device.orders) == (4, "", True, None, [])
    code, out, err = set_key(twin.link, file, "--on-a-bench")
    assert code == 0, err
    assert device.key is not None
    assert (in_hex(file), file.stat().st_mode & 0o777) == (device.key.hex(), 0o600)
    assert device.key not in {DEFAULT_KEY, bytes(16)}
    assert "the published default; it is void now" in " ".join(out.split())
    assert device.key.hex() not in (out + err).lower().replace(" ", "")
    assert twin.moved() == [("setting", 0)]


def test_a_key_of_ours_is_replaced_through_its_own_channel(plug: Plug, tmp_path: Path) -> None:
    device, file = OsdpReader(unit=UNIT, key=KEY), write_key(tmp_path / "reader.key")
    (tmp_path / "gate.toml").write_text(GATE, encoding="utf-8")
    plug(device)
    code, out, err = run("osdp", "set-key", "--board", "reader", "--config", tmp_path / "gate.toml", "--json")
    assert code == 0, err
    row = json.loads(out)
    assert (row["was"], row["result"], row["serial"], row["key_file"]) == (
        "own",
        "done",
        "12345678",
        str(file),
    )
    assert device.key is not None
    assert device.key != KEY
    assert in_hex(file) == device.key.hex()


def test_a_dry_run_says_which_key_is_spoken_and_touches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "reader.key"
    code, out, _ = set_key(tmp_path / "none", file, "--dry-run", "--json")
    assert (code, json.loads(out)["was"], json.loads(out)["pending"]) == (0, "default", f"{file}.new")
    write_key(file)
    code, out, _ = set_key(tmp_path / "none", file, "--dry-run")
    assert (code, "the one in" in out) == (0, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["reader.key"]


def test_what_goes_wrong_has_its_code_and_no_key_is_lost(plug: Plug, tmp_path: Path) -> None:
    device, file = OsdpReader(unit=UNIT, key=OTHER), tmp_path / "reader.key"
    twin = plug(device)
    code, out, err = set_key(twin.link, file, "--on-a-bench", "--json")
    row = json.loads(out)
    assert (code, row["why"], row["pending"]) == (1, "has_a_key", None), err
    write_key(file)
    code, _, err = set_key(twin.link, file)
    assert (code, "no secure channel with the key in" in err, in_hex(file)) == (1, True, KEY.hex())
    silent = plug(OsdpReader(unit=UNIT + 1, key=None), name="silent")
    code, _, err = set_key(silent.link, tmp_path / "b.key", "--on-a-bench")
    assert (code, "does not answer" in err) == (3, True)
    code, _, err = set_key(tmp_path / "none", tmp_path / "c.key", "--on-a-bench")
    assert (code, "none" in err) == (3, True)
    file.chmod(0o644)
    assert set_key(twin.link, file)[0] == 2
    assert (sorted(each.name for each in tmp_path.glob("*key*")), device.key) == (["reader.key"], OTHER)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--port", "x", "--key-file", "k"),
        ("--port", "x", "--unit", "5"),
        ("--port", "x", "--unit", "127", "--key-file", "k"),
        ("--port", "x", "--unit", "5", "--key-file", "k", "--baud", "300"),
        ("--unit", "5", "--key-file", "k"),
    ],
)
def test_what_is_not_named_is_asked_for(arguments: tuple[str, ...]) -> None:
    code, out, err = run("osdp", "set-key", *arguments, "--dry-run")
    assert (code, out) == (2, "")
    assert err


def test_a_key_that_may_have_arrived_is_kept_and_said(plug: Plug, tmp_path: Path) -> None:
    device, file = OsdpReader(unit=UNIT, key=KEY), write_key(tmp_path / "reader.key")
    twin = plug(device)
    obey = device._obey

    def obey_silently(order: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        device.silent = device.silent or order["command"] == osdp_sys.CMD_KEYSET
        return obey(order)

    twin.station.ask(lambda: device._pd.set_command_callback(obey_silently))
    code, out, err = set_key(twin.link, file, "--json")
    row = json.loads(out)
    assert (code, row["why"], row["pending"]) == (3, "unanswered", f"{file}.new"), err
    assert "KEEP" in err
    assert device.key is not None
    assert (in_hex(Path(row["pending"])), in_hex(file)) == (device.key.hex(), KEY.hex())


def test_identify_is_certain_with_the_key_and_says_what_it_is_without(plug: Plug, tmp_path: Path) -> None:
    device = OsdpReader(unit=UNIT, key=KEY)
    twin = plug(device)
    named = by_port(twin, write_key(tmp_path / "a.key"))
    trace = tmp_path / "trace.jsonl"
    code, out, err = run("identify", *named, "--trace", trace, "--json")
    assert code == 0, err
    row = json.loads(out)
    traced = trace.read_text("utf-8")
    assert ("reader 5 who? 00" in traced, "challenge" in traced, traced.count('"do": "open"')) == (
        True,
        True,
        2,
    )
    assert (row["certainty"], row["found"][0]["why"]) == (
        "strong",
        f"has our key: {CALLED}, serial 12345678",
    )
    for more in ((), ("--unit", str(UNIT))):
        code, out, err = run("identify", "--port", twin.link, "--protocol", "osdp", *more, "--json")
        row = json.loads(out)
        assert (code, row["certainty"]) == (0, "weak")
        assert f"calls itself {CALLED}" in row["found"][0]["why"]
        assert "anybody may call himself so" in err
    code, _, err = run("identify", "--port", twin.link, "--protocol", "osdp", "--unit", "6")
    assert (code, "No answer" in err) == (3, True)
    write_key(tmp_path / "a.key", OTHER)
    code, out, err = run("identify", *named, "--json")
    assert (code, json.loads(out)["certainty"], "does not have the key in" in err) == (1, "weak", True)
    assert (twin.moved(), [order for order in device.orders if order["command"] != osdp_sys.CMD_STATUS]) == (
        [],
        [],
    )


def test_identify_shows_its_question_and_knows_the_addresses_that_move_others(tmp_path: Path) -> None:
    asked = ("identify", "--port", tmp_path / "none", "--protocol", "osdp")
    assert run(*asked, "--dry-run")[:2] == (0, "53 7F 09 00 04 61 00 5F E6\n")
    assert run(*asked, "--unit", "0", "--dry-run")[:2] == (
        0,
        "53 00 08 00 00 61 00 44\n",
    )  # its CRC is an order
    code, out, err = run(*asked, "--unit", "100", "--dry-run")
    assert (code, out, "Devantech" in err) == (0, "53 7F 09 00 04 61 00 5F E6\n", True)
    assert run(*asked, "--unit", "127")[0] == 2
    code, _, err = run("identify", "--port", tmp_path / "none", "--protocol", "modbus-inputs", "--unit", "0")
    assert (code, "that is everybody" in err) == (2, True)


def test_without_libosdp_a_reader_is_heard_and_the_rest_says_what_to_install(
    plug: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = plug(OsdpReader(unit=UNIT, key=KEY))
    named = by_port(twin, write_key(tmp_path / "a.key"))
    monkeypatch.setattr(osdp_library, "library", None)
    assert run("identify", "--port", twin.link, "--protocol", "osdp")[0] == 0
    for command in (("identify",), ("watch",), ("pulse", "1", "--confirm", "entry")):
        code, _, err = run(*command, *named)
        assert (code, "pip install 'postern[osdp]'" in err) == (2, True), err


@pytest.mark.parametrize("unit", [0, 100])
def test_a_reader_whose_address_is_an_order_to_others_proves_itself_first(
    plug: Plug, tmp_path: Path, unit: int
) -> None:
    device = OsdpReader(unit=unit, key=KEY)
    twin, file = plug(device), write_key(tmp_path / "a.key")
    named = ("--port", twin.link, "--protocol", "osdp", "--unit", str(unit), "--key-file", file)
    code, out, err = run("identify", *named, "--json")
    assert (code, json.loads(out)["certainty"]) == (0, "strong"), err
    code, out, err = run("selftest", *named, "--out", tmp_path / "report", "--json")
    verdicts = {step["code"]: step["verdict"] for step in json.loads(out)["steps"]}
    assert (code, verdicts["identity"], verdicts["line"]) == (0, "PASS", "PASS"), err
    assert twin.moved() == []


def test_a_probe_finds_a_reader_and_no_board_takes_it_for_an_order(plug: Plug) -> None:
    device = OsdpReader(unit=UNIT, key=KEY)
    twin = plug(device)
    probe = ("--probe", "osdp", "--confirm", "isolated", "--json")
    code, out, err = run("detect", "--port", twin.link, *probe)
    (row,) = json.loads(out)
    assert (code, [(each["protocol"], each["certainty"]) for each in row["candidates"]]) == (
        0,
        [("osdp", "weak")],
    ), err
    relays = plug(make_board("kmtronic"), name="relays")
    assert run("detect", "--port", relays.link, *probe)[0] == 1
    assert (twin.moved(), relays.moved(), device.orders) == ([], [], [])
