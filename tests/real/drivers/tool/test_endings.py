"""How the tool's commands end: Ctrl-C, a termination, a prompt that nobody answers, a command line with a mistake."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.report import signable_hash
from simulators.boards.catalogue import make_board
from tests.real.drivers.tool.conftest import Plug
from tests.real.drivers.tool.test_moving import TOOL, relays, started, wire
from tests.real.drivers.tool.twins import Twin, run
from tests.waiting import until

pytestmark = pytest.mark.real
ENDS_WITHIN_S = 60.0


def closed(twin: Twin) -> list[int]:
    """Relays that are closed, by what was seen of them."""
    state: dict[int, str] = {channel: what for what, channel in twin.moved() if what.startswith("relay")}
    return [channel for channel, what in state.items() if what == "relay_on"]


def soaking(twin: Twin, *more: str) -> list[str]:
    where = ["--port", str(twin.link), "--protocol", "kmtronic", "--confirm", "entry"]
    return ["soak", "1", "--n", "1000", "--every", "0", *where, "--json", *more]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_soak_gives_its_figures_and_leaves_no_relay_closed(
    plug: Plug, number: signal.Signals
) -> None:
    twin = plug(make_board("kmtronic"))
    with started(soaking(twin, "--ms", "200")) as process:
        until(lambda: twin.moved().count(("relay_on", 1)) >= 3, within_s=ENDS_WITHIN_S, what="3 openings")
        process.send_signal(number)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    row = json.loads(out)
    begun = twin.moved().count(("relay_on", 1))
    assert (process.returncode, row["interrupted"], row["missed"]) == (130, True, 0), err
    assert row["openings"] == row["done"] >= 2
    assert begun <= row["openings"] + row["cut_short"] <= begun + 1  # the last may have been on its way
    assert "Interrupted" in err
    assert closed(twin) == []


def test_an_interrupted_soak_tells_people_in_their_language(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    argv = [each for each in soaking(twin, "--ms", "2000") if each != "--json"]
    with started(["--lang", "zh", *argv]) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the first opening")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, "entry：0 次，成功 0，未成 0" in out) == (130, True), (out, err)
    assert "已中断。第 1 次打到一半" in err
    assert closed(twin) == []


def test_soak_misses_what_the_input_did_not_see(plug: Plug) -> None:
    twin = plug(make_board("modbus-relay", profile="waveshare-io-8ch"))
    where = ("--port", twin.link, "--protocol", "modbus-relay", "--profile", "waveshare-io-8ch")
    argv = ("soak", "1", "--n", "2", "--ms", "600", "--every", "0", *where, "--confirm", "entry", "--json")
    code, out, err = run(*argv, "--expect", "in2")
    row = json.loads(out)
    assert (code, row["openings"], row["done"], row["missed"], row["unseen"]) == (1, 2, 0, 2, 2), err
    assert row["p50_ms"] is None
    wire(twin, 1, 2)
    code, out, err = run(*argv, "--expect", "in2")
    row = json.loads(out)
    assert (code, row["openings"], row["done"], row["missed"], row["unseen"]) == (0, 2, 2, 0, 0), err
    assert row["p50_ms"] is not None


def test_an_interrupted_selftest_writes_its_report_and_says_so(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("kmtronic"))
    where = ["--port", str(twin.link), "--protocol", "kmtronic", "--level", "click", "--confirm", "entry"]
    lanes = [word for name in ("b", "c", "d", "e", "f", "g", "h") for word in ("--confirm", name)]
    with started(["selftest", *where, *lanes, "--out", str(tmp_path / "t"), "--json"]) as process:
        until(lambda: ("relay_on", 1) in twin.moved(), within_s=ENDS_WITHIN_S, what="the first click")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
    document: dict[str, Any] = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert (process.returncode, document["interrupted"]) == (130, True), err
    assert document == json.loads(out)
    assert document["sha256"] == signable_hash(document)
    assert {step["code"] for step in document["steps"]} >= {"port", "listen", "reads"}
    assert "click_8" not in {step["code"] for step in document["steps"]}
    assert "INTERRUPTED" in (tmp_path / "t.txt").read_text("utf-8")
    assert ("Interrupted" in err, closed(twin)) == (True, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_ends_well_and_says_how_many_it_saw(plug: Plug, number: signal.Signals) -> None:
    board: Any = make_board("modbus-inputs")
    board.inputs.set(2, active=True)
    twin = plug(board)
    argv = ["watch", "--port", str(twin.link), "--protocol", "modbus-inputs", "--json"]
    with started(argv) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(number)
        _, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, first["channel"], "1 seen in all" in err) == (0, 2, True), err


def typed(argv: Sequence[str], keys: bytes, *, prompt: str) -> tuple[int, str]:
    """Exit code and everything on the screen of a command at a terminal, when these keys answer its prompt."""
    master, slave = pty.openpty()
    environment = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "dumb"}
    command = [sys.executable, "-c", TOOL, *argv]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    os.set_blocking(master, False)
    shown = b""

    def read() -> bool:
        nonlocal shown
        try:
            shown += os.read(master, 4096)
        except BlockingIOError:
            return False
        except OSError:  # the other end is closed
            return True
        return prompt in shown.decode("utf-8", "replace")

    try:
        until(read, within_s=ENDS_WITHIN_S, what="the prompt")
        if keys == b"\x03":
            process.send_signal(signal.SIGINT)
        else:
            os.write(master, keys)
        code = process.wait(ENDS_WITHIN_S)
        prompt = "\0"  # everything that is left
        until(read, within_s=ENDS_WITHIN_S, what="the end of the screen")
    finally:
        os.close(master)
    return code, shown.decode("utf-8", "replace")


@pytest.mark.parametrize("keys", [b"\x03", b"\x04"], ids=["Ctrl-C", "end of input"])
def test_a_prompt_that_is_not_answered_is_a_no_in_the_language_in_use(plug: Plug, keys: bytes) -> None:
    twin = plug(make_board("kmtronic"))
    pulse = ["--lang", "zh", "pulse", "1", "--port", str(twin.link), "--protocol", "kmtronic"]
    code, shown = typed(pulse, keys, prompt="输入通道名称以继续")
    assert (code, "没有回答，到此为止" in shown, "Abort" in shown) == (4, True, False), shown
    assert twin.moved() == []


def test_a_prompt_that_is_answered_goes_on(plug: Plug) -> None:
    twin = plug(make_board("kmtronic"))
    pulse = ["--lang", "zh", "pulse", "1", "--port", str(twin.link), "--protocol", "kmtronic"]
    code, shown = typed(pulse, b"entry\n", prompt="输入通道名称以继续")
    assert (code, twin.moved().count(("relay_on", 1))) == (0, 1), shown


MISTAKES = [
    (("--zzz",), "没有选项 --zzz"),
    (("--lang",), "选项 '--lang' 后面要写一个值"),
    (("nope",), "没有命令 'nope'"),
    (("prots",), "没有命令 'prots'，是不是 'ports'？"),
    (("watch", "--prot", "x"), "没有选项 --prot（可能是 --port, --profile, --protocol）"),
    (("watch", "--count", "x"), "'--count' 的值不对：要写一个整数"),
    (("watch", "--timeout", "x"), "'--timeout' 的值不对：要写一个数"),
    (("watch", "--count", "0"), "'--count' 的值不对：不能小于 1"),
    (("soak", "--n", "1000000"), "'--n' 的值不对：不能大于 100000"),
    (("selftest", "--level", "foo"), "'--level' 的值不对：'foo' 不在可选值之内：'passive', 'read', 'click'"),
    (("watch", "--timeout"), "选项 '--timeout' 后面要写一个值"),
    (("ports", "--json=1"), "选项 '--json' 不带值"),
    (("ports", "x", "y"), "多余的参数：x y"),
    (("config", "set"), "缺少参数 'key'"),
    (("scan", "comission"), "没有命令 'comission'，是不是 'commission'？"),
]


@pytest.mark.parametrize(("argv", "words"), MISTAKES)
def test_a_mistake_in_the_command_line_is_named_in_chinese(argv: tuple[str, ...], words: str) -> None:
    code, out, err = run(*argv, language="zh_CN.UTF-8")
    assert (code, out, f"错误：{words}" in err.splitlines()) == (2, "", True), err
    assert ("Error" in err, "Try" in err, "Usage" in err) == (False, False, False), err


def test_the_language_is_chosen_on_the_line_that_has_the_mistake() -> None:
    assert "错误：没有选项 --zzz" in run("--lang", "zh", "--zzz")[2]
    assert "错误：没有选项 --zzz" in run("--lang=zh", "--zzz")[2]
    code, _, err = run("--lang", "en", "watch", "--count", "0", language="zh_CN.UTF-8")
    assert (code, err.splitlines()[0]) == (2, "Usage: postern-driver watch [OPTIONS]")
    assert err.splitlines()[-1].startswith("Error: Invalid value for '--count': ")


def test_a_command_without_arguments_shows_its_help(plug: Plug) -> None:
    code, _, err = run("config", language="zh_CN.UTF-8")
    assert (code, err.splitlines()[0].startswith("用法：")) == (2, True), err


def test_a_wrong_board_behind_the_gates_file_is_not_switched_by_looking(plug: Plug, tmp_path: Path) -> None:
    """The poll of a Numato module opens and closes relays of a Devantech board (S4)."""
    twin = plug(make_board("devantech-usb"))
    path = gate_of(tmp_path, 'protocol = "numato"')
    where = ("--board", "relays", "--config", path)
    code, _, err = run("watch", *where, "--timeout", "1")
    assert (code, "nothing was sent" in err, "--confirm LANE (entry)" in err) == (4, True, True), err
    code, out, err = run("selftest", "--config", path, "--out", tmp_path / "t", "--json")
    assert (code, json.loads(out)["count"]["SKIP"], twin.moved()) == (0, 1, []), err
    assert run("identify", *where)[0] == 4
    code, _, err = run("watch", *where, "--timeout", "1", "--confirm", "exit")
    assert (code, twin.moved()) == (4, []), err


def test_the_right_board_of_the_gates_file_is_watched_with_its_lanes_name(plug: Plug, tmp_path: Path) -> None:
    board: Any = make_board("numato")
    twin = plug(board)
    twin.station.ask(lambda: board.relays.set_mask(0b10, 0.0))
    before = twin.moved()
    where = ("--board", "relays", "--config", gate_of(tmp_path, 'protocol = "numato"'))
    ends = ("--timeout", "20", "--count", "1", "--json")
    code, out, err = run("watch", *where, *ends, "--confirm", "entry")
    assert (code, json.loads(out)["bits"], twin.moved()) == (0, 0b10, before), err


def test_an_adapter_that_the_gates_file_does_not_expect_is_told_nothing(plug: Plug, tmp_path: Path) -> None:
    twin = plug(make_board("kmtronic"))
    path = gate_of(tmp_path, 'protocol = "kmtronic"\nexpect = { usb = "0403:6001", serial = "A1" }')
    code, _, err = run("watch", "--board", "relays", "--config", path, "--timeout", "1")
    assert (code, "expects usb 0403:6001, serial number A1" in err, twin.moved()) == (4, True, []), err


def gate_of(folder: Path, protocol: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(
        f'[[board]]\n{relays(protocol=protocol)}\n[[lane]]\nname = "entry"\nboard = "relays"\nchannel = 1\n',
        encoding="utf-8",
    )
    return path
