"""The hardware part of ``gate.toml``: boards, lanes and inputs, each as far as it can be checked by itself.

What must fit together, and what a board's protocol allows, is checked in ``drivers.gate.wiring``.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from drivers.gate.view import ViewSection, does_not_fit
from drivers.model import Driver, Side
from drivers.registry import PROTOCOLS, Options, UnknownProtocolError, make_driver
from drivers.usb_socket import PortIdentity
from passes.vocabulary import Direction
from passes.words import Pair
from shell.names import Word
from shell.settings import SettingsModel

PULSE_MS_MAX: Final = (
    2000  # longer pulses make some turnstiles close without their safety (reference, drivers 0.5)
)
CHANNELS_MAX: Final = 32
NETWORK: Final = "tcp://"
HELD_LOCK: Final = Pair(
    "energise_to_lock 不能用：程序死机时继电器不会自己松开，锁会一直通电，里面的人出不来。"
    "请把锁的电源接在继电器的常闭触点（NC）上，写 pulse_to_open：脉冲断开锁的电流，通道就开（说明见决定 0016）",
    'release = "energise_to_lock" is not driven: if this program dies its relay stays closed, and the lock keeps '
    "people in. Lead the lock's current over the relay's normally closed contact (NC) and write "
    '"pulse_to_open": then each pulse cuts the current and opens (decision 0016)',
)


def wrong(key: str, words: Pair) -> ValidationError:
    """What a model-wide check raises about one of its keys, so that the key's line is named."""
    problem = told(words)
    return ValidationError.from_exception_data(
        "hardware", [InitErrorDetails(type=problem, loc=(key,), input=None)]
    )


def told(words: Pair) -> PydanticCustomError:
    """An error in both languages: the message is the English one, ``ctx`` has the Chinese one as ``zh``."""
    return PydanticCustomError("hardware", "{words}", {"words": words.en, "zh": words.zh})


Channel = Annotated[int, Field(ge=1, le=CHANNELS_MAX)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class ContactConfig(SettingsModel):
    """Which input of which board reports a passage; channels count from 1."""

    board: Word
    channel: Channel


class OutputConfig(SettingsModel):
    """Which output of which board; channels count from 1."""

    board: Word
    channel: Channel


class LampsSection(SettingsModel):
    """Which spare outputs of which board carry a lane's lamps and its buzzer."""

    board: Word
    green: Channel | None = None
    red: Channel | None = None
    buzzer: Channel | None = None

    @property
    def channels(self) -> dict[str, int]:
        """Output of each lamp that there is."""
        named = {"green": self.green, "red": self.red, "buzzer": self.buzzer}
        return {name: channel for name, channel in named.items() if channel is not None}


class ExpectSection(SettingsModel):
    """What a port must be before it is opened: where ``postern-driver ports`` saw it, and which adapter."""

    socket: str = ""
    usb: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{4}:[0-9a-f]{4})?$")] = ""
    serial: str = ""

    def to_domain(self) -> PortIdentity:
        """As the port compares it."""
        return PortIdentity(socket=self.socket, usb=self.usb, serial=self.serial)


class BoardSection(SettingsModel):
    """One device on a serial port, or on the network. What its protocol does not know must be left out."""

    name: Word
    protocol: str
    port: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    unit: Annotated[int, Field(ge=0, le=255)] | None = None
    profile: str | None = None
    make: str | None = None
    model: str | None = None
    serial: str | None = None
    outputs: Annotated[int, Field(ge=1, le=CHANNELS_MAX)] | None = None
    inputs: Annotated[int, Field(ge=1, le=CHANNELS_MAX)] | None = None
    baud: Annotated[int, Field(ge=300, le=4_000_000)] | None = None
    pin: str | None = None
    check: str | None = None
    key_file: str | None = None
    setting: str | None = None
    lock: bool = False
    echo: bool = False
    expect: ExpectSection | None = None

    @field_validator("protocol")
    @classmethod
    def _is_spoken(cls, protocol: str) -> str:
        if protocol not in PROTOCOLS:
            raise ValueError(str(UnknownProtocolError(protocol)))
        return protocol

    @model_validator(mode="after")
    def _port_is_of_its_kind(self) -> Self:
        network = PROTOCOLS[self.protocol].network
        if network != self.port.startswith(NETWORK):
            zh, en = "串口设备的路径", "the path of a serial device"
            wanted = Pair("tcp://HOST:PORT", "tcp://HOST:PORT") if network else Pair(zh, en)
            words = Pair(
                f"协议 {self.protocol!r} 的端口请写：{wanted.zh}",
                f"port of protocol {self.protocol!r}: write {wanted.en}",
            )
            raise wrong("port", words)
        return self

    @property
    def options(self) -> Options:
        """What the registry is told of it."""
        return Options(
            unit=self.unit,
            profile=self.profile,
            make=self.make,
            model=self.model,
            serial=self.serial,
            outputs=self.outputs,
            inputs=self.inputs,
            baud=self.baud,
            pin=self.pin,
            check=self.check,
            key_file=self.key_file,
            setting=self.setting,
            lock=self.lock or None,
        )

    def beside(self, base: Path) -> Self:
        """The same with its relative paths below ``base``."""
        port, profile = self.port, self.profile
        return self.model_copy(
            update={
                "port": port if port.startswith(NETWORK) else str(base / port),
                "profile": str(base / profile) if profile and profile.endswith(".toml") else profile,
                "key_file": str(base / self.key_file) if self.key_file else None,
            }
        )

    def driver(self) -> Driver:
        """A new driver for it; raises what ``make_driver`` raises."""
        return make_driver(self.protocol, **self.options)


class LaneSection(SettingsModel):
    """One lane: what reads codes in it, what opens it, how a passage is noticed, and how it is wired."""

    name: Word
    direction: Direction
    camera: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    scanner: Word | None = None
    view: ViewSection | None = None
    board: Word
    channel: Channel | None = None
    side: Side | None = None
    pulse_ms: Annotated[int, Field(ge=100, le=PULSE_MS_MAX)] = 300
    kind: Literal["walk", "barrier"] = "walk"
    passage: Literal["contact", "counter", "assumed", "presence"]
    contact: ContactConfig | None = None
    presence: ContactConfig | None = None  # a vehicle is under the arm of a barrier, or before it
    needs_presence: bool = False
    close: OutputConfig | None = None  # brings the arm of a barrier down that does not come down by itself
    lamps: LampsSection | None = None
    passage_wait_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    release: Literal["pulse_to_open", "energise_to_lock"]
    on_power_loss: Literal["open", "locked", "as_is"]
    tested_by: Name | None = None
    tested_on: date | None = None

    @field_validator("camera")
    @classmethod
    def _camera_is_known(cls, spec: str | None) -> str | None:
        scheme, found, _ = (spec or "").partition("://")
        if found and scheme not in {"http", "https", "rtsp", "rtsps"}:
            raise ValueError("write a folder, a video file, http(s)://…, rtsp://… or /dev/videoN")
        return spec

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if not self.readers:
            words = Pair(
                "通道要有读码的设备：camera（摄像头），或 scanner（本文件里扫码器的名称），或两者都有",
                "a lane needs a reader: camera, or scanner (the name of a scanner of this file), or both",
            )
            raise wrong("camera", words)
        unfit = does_not_fit(self.view, self.camera)
        if unfit is not None:
            raise wrong("view", unfit)
        if (self.channel is None) == (self.side is None):
            words = Pair(
                '通道要么有 channel（继电器），要么有 side = "left" | "right"（闸机控制器）',
                'a lane has either a channel (relay) or side = "left" | "right" (turnstile controller)',
            )
            raise wrong("side" if self.side else "board", words)
        if (self.passage == "contact") != (self.contact is not None):
            words = Pair(
                'passage = "contact" 要有 contact = { board, channel }，"counter" 和 "assumed" 不能有',
                'passage = "contact" needs contact = { board, channel }, and "counter" and "assumed" have none',
            )
            raise wrong("passage", words)
        self._barrier_has_what_it_needs()
        if self.passage == "counter" and self.side is None:
            words = Pair(
                'passage = "counter" 要有闸机控制器：side = "left" | "right"',
                'passage = "counter" needs a turnstile controller: side = "left" | "right"',
            )
            raise wrong("passage", words)
        if self.passage_wait_s < self.pulse_ms / 1000 + 1:
            words = Pair(
                "passage_wait_s 至少要比 pulse_ms 长一秒",
                "passage_wait_s must be at least one second longer than pulse_ms",
            )
            raise wrong("passage_wait_s", words)
        if self.release == "energise_to_lock":
            raise wrong("release", HELD_LOCK)
        if self.direction is Direction.EXIT and self.on_power_loss == "as_is":
            words = Pair(
                'on_power_loss = "as_is" 不能用于出口：断电时里面的人必须能出去',
                'on_power_loss = "as_is" is refused at an exit: whoever is inside must get out without power',
            )
            raise wrong("on_power_loss", words)
        if (self.tested_by is None) != (self.tested_on is None):
            words = Pair(
                "tested_by 与 tested_on 要同时写：谁在哪一天拔过电源",
                "tested_by and tested_on belong together: who pulled the plug, and on which day",
            )
            raise wrong("tested_by" if self.tested_by else "tested_on", words)
        return self

    def _barrier_has_what_it_needs(self) -> None:
        is_one = self.kind == "barrier"
        if is_one != (self.passage == "presence") or is_one != (self.presence is not None):
            words = Pair(
                '道闸要同时写 kind = "barrier"、passage = "presence" 和 presence = { board, channel }'
                "（地感或雷达的输入），其他通道都不写",
                'a barrier needs all three: kind = "barrier", passage = "presence" and presence = { board, channel }, '
                "the input of its loop or radar; another lane has none of them",
            )
            raise wrong("kind" if is_one else "passage" if self.passage == "presence" else "presence", words)
        if is_one and self.channel is None:
            words = Pair("道闸要有 channel（继电器）", "a barrier has a channel (relay)")
            raise wrong("side", words)
        if not is_one and (self.needs_presence or self.close is not None):
            words = Pair(
                'needs_presence 和 close 只用于 kind = "barrier"',
                'needs_presence and close are for kind = "barrier" alone',
            )
            raise wrong("needs_presence" if self.needs_presence else "close", words)
        if self.needs_presence and self.direction is Direction.EXIT:
            words = Pair(
                "needs_presence 不能用于出口：出口对谁都开",
                "needs_presence is refused at an exit: it opens for everyone",
            )
            raise wrong("needs_presence", words)

    @property
    def opening(self) -> str:
        """What people walk or drive through, by its name: for most lanes the lane itself."""
        return self.name

    @property
    def senses(self) -> ContactConfig | None:
        """The input by which somebody in the lane is seen, if one is."""
        return self.presence or self.contact

    @property
    def readers(self) -> tuple[str, ...]:
        """What reads codes in it: ``camera``, ``scanner``, or both."""
        return tuple(name for name in ("camera", "scanner") if getattr(self, name) is not None)

    @property
    def boards(self) -> frozenset[str]:
        """The boards without which it does not work."""
        return frozenset({self.board} | ({self.senses.board} if self.senses else set()))

    @property
    def is_tested(self) -> bool:
        """Whether somebody signed for its wiring; without that it is not held open."""
        return self.tested_by is not None


class InputSection(SettingsModel):
    """What an input of a board means. It is only read: fire and button act in hardware (decision 0007)."""

    role: Literal["fire", "exit_button", "tamper", "door"]
    board: Word
    channel: Channel
    lane: Word | None = None
    normally: Literal["open", "closed"] = "open"

    @model_validator(mode="after")
    def _lane_fits_the_role(self) -> Self:
        if self.role in {"exit_button", "door"} and self.lane is None:
            words = Pair(
                f'role = "{self.role}" 要写明属于哪条通道（lane）',
                f'role = "{self.role}" needs the lane that it belongs to',
            )
            raise wrong("role", words)
        if self.role == "fire" and self.lane is not None:
            words = Pair(
                'role = "fire" 属于整个门：不要写 lane', 'role = "fire" is the whole gate\'s: leave lane out'
            )
            raise wrong("lane", words)
        return self

    @property
    def place(self) -> tuple[str, int]:
        """Board and channel."""
        return self.board, self.channel

    @property
    def spot(self) -> str:
        """Where it is, in words."""
        terminal = f"{self.board}/{self.channel}"
        return f"{self.lane} {terminal}" if self.lane else terminal

    @property
    def label(self) -> str:
        """How it is called in records."""
        return f"{self.role} {self.spot}"
