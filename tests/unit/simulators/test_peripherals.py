"""The virtual thermometers, modem and voice against the printed frames."""

import pytest

from simulators.boards.device import Answer, Device
from simulators.devices.mobile_network import Message, PduError, read_submit, report_pdu
from simulators.devices.modem import Modem
from simulators.devices.thermometers import Cjmcu90614, Gy614V, Mcu90614, Thermometer
from simulators.devices.voice import Syn6288

GREETING = "0021000BA13108108300F00008108BBF5BA252308FBEFF1A003153F795E8"  # "访客到达：1号门" to 13800138000
HELLO = "0001000B813124819396F300080A00680065006C006C006F"


def hear(device: Device, data: bytes | str, now_s: float = 1.0) -> bytes:
    answers = device.receive(data if isinstance(data, bytes) else bytes.fromhex(data), now_s)
    return b"".join(answer.data for answer in answers)


def frames(device: Thermometer, until_s: float) -> list[Answer]:
    device.tick(0.0)
    return device.tick(until_s)


def test_mcu90614_streams_the_printed_frame_ten_times_a_second() -> None:
    device = Mcu90614(person_c=36.5)
    found = frames(device, 1.0)
    assert {answer.data for answer in found} == {bytes.fromhex("5A 5A 45 04 0E 42 09 C4 1A")}
    assert [round(answer.at_s, 3) for answer in found[:3]] == [0.1, 0.2, 0.3]
    assert 9 <= len(found) <= 10


def test_mcu90614_answers_when_asked_and_streams_when_told() -> None:
    device = Mcu90614(person_c=36.5)
    assert hear(device, "A5 15 BA") == bytes.fromhex("5A 5A 45 04 0E 42 09 C4 1A")
    assert device.tick(5.0) == []
    hear(device, "A5 45 EA", 6.0)
    assert device.next_deadline() is not None
    assert hear(device, "A5 15 BB", 6.01) == b""  # a wrong check


def test_mcu90614_changes_its_speed_and_its_habit_at_the_next_start() -> None:
    device = Mcu90614()
    hear(device, "A5 AF 54 A5 52 F7", 0.01)
    assert (device.speed, device.streams) == (9600, True)
    device.reboot(1.0)
    assert (device.speed, device.streams) == (115200, False)
    hear(device, "A5 AE 53 A5 51 F6", 2.0)
    device.reboot(3.0)
    assert (device.speed, device.streams) == (9600, True)


def test_the_newer_mcu90614_says_so_in_its_length() -> None:
    [frame] = [answer.data for answer in frames(Mcu90614(person_c=36.5, body=True), 0.15)]
    assert (len(frame), frame[3], sum(frame[:-1]) & 0xFF) == (10, 5, frame[-1])


def test_nobody_in_front_of_it_is_the_wall() -> None:
    [frame] = [answer.data for answer in frames(Mcu90614(ambient_c=20.0), 0.15)]
    assert frame[4:8] == bytes.fromhex("07 D0 07 D0")
    [cold] = [answer.data for answer in frames(Mcu90614(ambient_c=-5.0), 0.15)]
    assert int.from_bytes(cold[4:6], "big", signed=True) == -500


def test_noise_comes_from_the_seed_and_stays_in_its_bounds() -> None:
    def readings(seed: int) -> list[int]:
        found = frames(Mcu90614(person_c=36.5, noise_c=0.3, seed=seed), 0.95)
        return [int.from_bytes(answer.data[4:6], "big") for answer in found]

    assert readings(1) == readings(1) != readings(2)
    assert all(3620 <= reading <= 3680 for reading in readings(1))
    assert len(set(readings(1))) > 3


def test_gy614v_has_registers() -> None:
    device = Gy614V(person_c=36.0)
    assert hear(device, "A4 06 03 01 AE") == bytes.fromhex("A4 06 03 01 AE")
    assert not device.streams
    answer = hear(device, "A4 03 08 06 B5", 2.0)
    assert answer[:4] == bytes.fromhex("A4 03 08 06")
    assert [int.from_bytes(answer[place : place + 2], "big") for place in (4, 6, 8)] == [3600, 2500, 3700]
    assert sum(answer[:-1]) & 0xFF == answer[-1]
    hear(device, "A4 06 06 69 19", 3.0)  # half a degree more
    assert hear(device, "A4 03 08 02 B1", 4.0)[4:6] == bytes.fromhex("0E 42")
    hear(device, "A4 06 01 06 B1", 5.0)
    assert device.speed == 115200


def test_cjmcu_streams_or_answers_by_its_mode() -> None:
    device = Cjmcu90614(person_c=26.91, ambient_c=26.91)
    assert device.speed == 115200
    [frame] = [answer.data for answer in frames(device, 0.15)]
    assert frame == bytes.fromhex("66 66 01 04 0A 83 0A 83 1A")
    assert hear(device, "66 66 02 56", 1.0)[-9:][2] == 2
    assert device.tick(3.0) == []
    hear(device, "66 66 01 56", 4.0)
    assert device.streams


def talk(modem: Modem, text: str, now_s: float = 1.0) -> str:
    return hear(modem, text.encode("ascii"), now_s).decode("ascii")


def quiet() -> Modem:
    modem = Modem()
    talk(modem, "ATE0\r")
    talk(modem, "AT+CMGF=0\r")
    return modem


def test_a_modem_echoes_until_it_is_told_not_to() -> None:
    modem = Modem()
    assert talk(modem, "AT\r") == "AT\r\r\nOK\r\n"
    assert talk(modem, "ATE0\r") == "ATE0\r\r\nOK\r\n"
    assert talk(modem, "AT\r") == "\r\nOK\r\n"
    modem.reboot(2.0)
    assert talk(modem, "AT\r", 3.0) == "AT\r\r\nOK\r\n"


def test_a_modem_tells_its_state() -> None:
    modem = quiet()
    assert talk(modem, "AT+CPIN?\r") == "\r\n+CPIN: READY\r\n\r\nOK\r\n"
    assert talk(modem, "AT+CSQ\r") == "\r\n+CSQ: 21,0\r\n\r\nOK\r\n"
    modem.network.registration = 2
    assert talk(modem, "AT+CREG?\r") == "\r\n+CREG: 0,2\r\n\r\nOK\r\n"
    assert talk(modem, "AT+NOSUCH\r") == "\r\nERROR\r\n"
    talk(modem, "AT+CMEE=1\r")
    modem.sim = None
    assert talk(modem, "AT+CPIN?\r") == "\r\n+CME ERROR: 10\r\n"
    modem.sim = "SIM PIN"
    assert talk(modem, 'AT+CPIN="0000"\r') == "\r\n+CME ERROR: 16\r\n"
    assert talk(modem, 'AT+CPIN="1234"\r') == "\r\nOK\r\n"
    assert talk(modem, "hello\r") == ""


def test_a_message_is_taken_at_the_prompt_and_arrives() -> None:
    modem = quiet()
    assert talk(modem, "AT+CMGS=29\r") == "\r\n> "
    assert talk(modem, GREETING + "\x1a", 2.0) == ""
    assert modem.next_deadline() == pytest.approx(2.8)
    assert b"".join(answer.data for answer in modem.tick(2.8)) == b"\r\n+CMGS: 1\r\n\r\nOK\r\n"
    assert modem.network.inbox == [Message(to="13800138000", text="访客到达：1号门", parts=1, at_s=2.8)]


@pytest.mark.parametrize(
    ("pdu", "length", "to", "text"),
    [(GREETING, 29, "13800138000", "访客到达：1号门"), (HELLO, 23, "13421839693", "hello")],
)
def test_the_vectors_read_as_what_they_say(pdu: str, length: int, to: str, text: str) -> None:
    if pdu == HELLO:
        to = read_submit(bytes.fromhex(pdu), length).to
        assert (len(to), to[:4]) == (11, "1342")
    part = read_submit(bytes.fromhex(pdu), length)
    assert (part.to, part.text, part.of) == (to, text, 1)


def test_a_long_message_is_put_together_in_any_order() -> None:
    modem = quiet()
    texts = {1: "第一", 2: "第二"}
    for number in (2, 1):
        body = bytes((5, 0, 3, 7, 2, number)) + texts[number].encode("utf-16-be")
        pdu = bytes.fromhex("00 41 00 0D 91 68 31 08 10 83 00 F0 00 08") + bytes((len(body),)) + body
        talk(modem, f"AT+CMGS={len(pdu) - 1}\r", 3.0)
        talk(modem, pdu.hex() + "\x1a", 3.0)
        assert len(modem.network.inbox) == (number == 1)
    assert modem.network.inbox == [Message(to="+8613800138000", text="第一第二", parts=2, at_s=3.8)]
    assert modem.network.unfinished == 0


def test_a_seven_bit_message_is_read_too() -> None:
    part = read_submit(bytes.fromhex("0001000B813124819396F300000AE8329BFD4697D9EC37"), 22)
    assert part.text == "hellohello"


@pytest.mark.parametrize(
    ("pdu", "length"),
    [
        (GREETING, 28),
        (GREETING[:-4], 27),
        ("00", 0),
        ("0001000B81312481939FF300080200680A", 16),
        (GREETING.replace("0008", "0014", 1), 29),
    ],
)
def test_no_network_takes_a_broken_pdu(pdu: str, length: int) -> None:
    with pytest.raises(PduError):
        read_submit(bytes.fromhex(pdu), length)
    modem = quiet()
    talk(modem, f"AT+CMGS={length}\r")
    talk(modem, pdu + "\x1a")
    assert b"+CMS ERROR: 304" in modem.tick(9.0)[0].data
    assert modem.network.inbox == []


def test_a_refused_message_does_not_arrive_and_the_next_one_does() -> None:
    modem = quiet()
    modem.refuse = [38]
    for at_s, wanted in ((1.0, b"+CMS ERROR: 38"), (5.0, b"+CMGS: 1")):
        talk(modem, "AT+CMGS=29\r", at_s)
        talk(modem, GREETING + "\x1a", at_s)
        assert wanted in modem.tick(at_s + 1)[0].data
    assert len(modem.network.inbox) == 1
    modem.network.registration = 3
    talk(modem, "AT+CMGS=29\r", 9.0)
    talk(modem, GREETING + "\x1a", 9.0)
    assert b"+CMS ERROR: 331" in modem.tick(10.0)[0].data


def test_an_escape_at_the_prompt_sends_nothing() -> None:
    modem = quiet()
    talk(modem, "AT+CMGS=29\r")
    assert talk(modem, GREETING[:10] + "\x1b") == "\r\nOK\r\n"
    assert talk(modem, "AT\r") == "\r\nOK\r\n"
    assert (modem.network.inbox, modem.next_deadline()) == ([], None)


def test_a_status_report_comes_when_it_was_asked_for() -> None:
    modem = quiet()
    talk(modem, "AT+CNMI=2,0,0,1,0\r")
    talk(modem, "AT+CMGS=29\r", 1.0)
    talk(modem, GREETING + "\x1a", 1.0)
    modem.tick(1.8)
    [report] = modem.tick(10.0)
    pdu = report_pdu("13800138000", 1, delivered=True)
    assert report.at_s == pytest.approx(3.8)
    assert report.data == f"\r\n+CDS: {len(pdu) - 1}\r\n{pdu.hex().upper()}\r\n".encode("ascii")
    assert (pdu[1], pdu[2], pdu[-1]) == (6, 1, 0)


def test_an_unsolicited_line_may_cut_a_reply_in_two() -> None:
    modem = quiet()
    modem.interrupt = ["RING"]
    assert talk(modem, "AT+CSQ\r") == "\r\n+CSQ: 21,0\r\n\r\nRING\r\n\r\nOK\r\n"
    assert modem.unsolicited("+CREG: 2", 1.0)[0].data == b"\r\n+CREG: 2\r\n"


def spoken(text: str, *, param: int = 1, encoding: str = "gbk") -> bytes:
    data = bytes((1, param)) + text.encode(encoding)
    frame = b"\xfd" + (len(data) + 1).to_bytes(2, "big") + data
    check = 0
    for byte in frame:
        check ^= byte
    return frame + bytes((check,))


def test_the_voice_says_a_text_and_is_busy_meanwhile() -> None:
    voice = Syn6288()
    state = bytes.fromhex("FD 00 02 21 DE")
    assert hear(voice, state) == b"\x4f"
    assert hear(voice, spoken("[v5]请进"), 2.0) == b"\x41"
    assert hear(voice, state, 2.1) == b"\x4e"
    assert [answer.data for answer in voice.tick(10.0)] == [b"\x4f"]
    assert hear(voice, state, 11.0) == b"\x4f"
    assert voice.said == ["[v5]请进"]


def test_the_voice_understands_four_encodings_and_cuts_an_old_text_off() -> None:
    voice = Syn6288()
    for param, encoding in ((0, "gb2312"), (0x21, "gbk"), (2, "big5"), (3, "utf-16-be")):
        assert hear(voice, spoken("門" if param == 2 else "门", param=param, encoding=encoding)) == b"\x41"
    assert voice.said == ["门", "门", "門", "门"]
    assert hear(voice, spoken("a", param=5)) == b"\x45"


def test_the_voice_refuses_a_broken_frame_and_sleeps_when_told() -> None:
    voice = Syn6288()
    broken = bytearray(spoken("x"))
    broken[-1] ^= 1
    assert b"\x45" in hear(voice, bytes(broken))
    assert voice.said == []
    assert hear(voice, "FD 00 02 88 77", 2.0) == b"\x41"
    assert hear(voice, spoken("wakes it only"), 3.0) == b""
    assert hear(voice, spoken("too early"), 3.01) == b""
    assert hear(voice, spoken("now"), 3.02) == b"\x41"
    assert voice.said == ["now"]
