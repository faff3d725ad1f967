"""What one family of Modbus boards understands, as a file: addresses, values, limits, and test vectors.

A profile is TOML. Each thing that moves an output must have at least one ``[[vector]]``: the words for what is asked,
and the bytes of the frame as the maker prints it. A file whose own rules do not give its own vectors is not used at
all, so a slip of the pen is found at the desk and not at the gate.
"""

import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drivers.devices.modbus_frames import READ_COILS, READ_REGISTERS, WRITE_COIL, Question, Rtu
from drivers.model import Parity
from drivers.relay_codec import Ask
from shell.file_reading import read_at_most
from shell.nesting import toml_of

FOLDER: Final = Path(__file__).with_name("profiles")
FILE_BYTES_MAX: Final = 64 * 1024
PULSE_MS: Final = (100, 2000)  # drivers reference 0.5: longer pulses hold lanes open
WRITE_REGISTERS: Final = 16
_ONE_REGISTER: Final = struct.Struct(">BBHHBH")

Address = Annotated[int, Field(ge=0, le=0xFFFF)]
Value = Annotated[int, Field(ge=0, le=0xFFFF)]
Milliseconds = Annotated[int, Field(ge=PULSE_MS[0], le=PULSE_MS[1])]


class ProfileError(ValueError):
    """A profile that cannot be used; ``file`` is its path or name, ``where`` the line or key."""

    def __init__(self, file: str, where: str, why: str) -> None:
        place = f"{file}, {where}" if where else file
        super().__init__(f"Profile {place}: {why}")
        self.file, self.where = file, where


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWrite(Question):
    """Write ``value`` to one register by the function for several: some boards know no other."""

    def body(self) -> bytes:
        """Unit, function, address, one register, two bytes, value."""
        return _ONE_REGISTER.pack(self.unit, self.function, self.address, 1, 2, self.value)


LINE_BAUD: Final = (1200, 921_600)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineSection(_Strict):
    """The serial line, and how patient to be."""

    baud: Annotated[int, Field(ge=LINE_BAUD[0], le=LINE_BAUD[1])] = 9600
    parity: Parity = Parity.NONE
    stop_bits: Literal[1, 2] = 1
    silence_ms: Annotated[float, Field(gt=0, le=1000)] | None = None
    answer_ms: Annotated[int, Field(ge=20, le=2000)] = 200

    @property
    def silence_s(self) -> float:
        """Quiet between frames: what the board wants, or 3.5 characters of 11 bits (1.75 ms on fast lines)."""
        if self.silence_ms is not None:
            return self.silence_ms / 1000
        return max(3.5 * 11 / self.baud, 0.00175)


class WriteSection(_Strict):
    """One write."""

    address: Address
    value: Value


class PulseSection(_Strict):
    """A pulse that the board times: ``value`` plus the number of steps, written from ``first`` on."""

    first: Address
    value: Value = 0
    one_step: Value | None = None  # what is written instead for a pulse of exactly one step
    step_ms: Annotated[int, Field(ge=1)]
    ms: tuple[Milliseconds, Milliseconds]


class ReadOutputsSection(_Strict):
    """Function 1 reads ``count`` coils at once; function 3 reads one register (0 or 1) for each output."""

    function: Literal[1, 3]
    first: Address
    count: Annotated[int, Field(ge=1, le=32)] | None = None


class OutputsSection(_Strict):
    """Outputs: ``first`` is the address of output 1, the others follow."""

    count: Annotated[int, Field(ge=1, le=32)]
    first: Address
    write: Literal[5, 6]
    on: Value
    off: Value
    all_off: WriteSection | None = None
    pulse: PulseSection | None = None
    read: ReadOutputsSection | None = None
    latching: bool = False


class InputsSection(_Strict):
    """Inputs: ``count`` are there, ``read`` are asked for (some boards take one quantity only)."""

    count: Annotated[int, Field(ge=1, le=32)]
    first: Address
    read: Annotated[int, Field(ge=1, le=64)]

    @model_validator(mode="after")
    def _read_covers_all(self) -> Self:
        if self.read < self.count:
            raise ValueError(f"read asks for {self.read} inputs, fewer than the {self.count} there are")
        return self


class AddressSection(_Strict):
    """The register that holds the unit's own address; with ``broadcast`` unit 0 answers for it."""

    register_: Annotated[Address, Field(alias="register")]
    broadcast: bool = False
    write: Literal[6, 16] = 6


class SpeedSection(_Strict):
    """The register that holds the speed of the line: what is written for which baud; ``read`` if it lies elsewhere."""

    register_: Annotated[Address, Field(alias="register")]
    read: Address | None = None
    write: Literal[6, 16] = 6
    codes: Annotated[dict[Annotated[int, Field(ge=1200, le=921600)], Value], Field(min_length=2)]

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        if len(set(self.codes.values())) != len(self.codes):
            raise ValueError("two speeds have the same code")
        return self


class CheckSection(_Strict):
    """Holding registers that must all hold ``want`` before the board may be used; ``what`` they are."""

    what: str
    first: Address
    count: Annotated[int, Field(ge=1, le=16)]
    want: Value


class VectorSection(_Strict):
    """What is asked, and the frame with its check, in hex.

    ``source``: printed by the maker or a user of the board, or computed by the maker's rule.
    """

    what: str
    frame: str
    unit: Annotated[int, Field(ge=0, le=255)] | None = None
    source: Literal["vendor", "rule"]


class Profile(_Strict):
    """One family of boards."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,40}$")]
    title: str
    unit: Annotated[int, Field(ge=1, le=255)] = 1  # as delivered
    line: LineSection = LineSection()
    outputs: OutputsSection | None = None
    inputs: InputsSection | None = None
    address: AddressSection | None = None
    speed: SpeedSection | None = None
    check: tuple[CheckSection, ...] = ()
    vector: tuple[VectorSection, ...]

    def at(self, baud: int | None) -> "Profile":
        """The same board, its line at another speed; None for that of the profile."""
        if baud is None:
            return self
        assert LINE_BAUD[0] <= baud <= LINE_BAUD[1], f"{baud} baud is no speed of a Modbus line"
        return self.model_copy(update={"line": self.line.model_copy(update={"baud": baud})})

    def question(self, ask: Ask, *, unit: int, channel: int = 0, ms: int = 0) -> Question | None:
        """What to send for a relay board's verb; None when the board knows no such thing."""
        if ask is Ask.INPUTS:
            if self.inputs is None:
                return None
            return Question(unit=unit, function=2, address=self.inputs.first, value=self.inputs.read)
        outputs = self.outputs
        if outputs is None or not 0 <= channel <= outputs.count:
            return None
        if ask is Ask.OUTPUTS:
            return _read_outputs(outputs, unit, channel)
        if ask is Ask.PRESENCE:
            return _show(outputs, unit)
        write = _write(outputs, ask, channel, ms)
        if write is None:
            return None
        return Question(unit=unit, function=outputs.write, address=write.address, value=write.value)

    def check_question(self, check: CheckSection, *, unit: int) -> Question:
        """Read the registers of a check."""
        return Question(unit=unit, function=READ_REGISTERS, address=check.first, value=check.count)

    def address_question(self, *, unit: int, new: int | None = None) -> Question | None:
        """Read the board's own address, or write a new one. Only one board may be on the line."""
        if self.address is None:
            return None
        asked = 0 if self.address.broadcast else unit
        if new is not None:
            return _write_register(asked, self.address.write, self.address.register_, new)
        return Question(unit=asked, function=READ_REGISTERS, address=self.address.register_, value=1)

    def speed_question(self, *, unit: int, baud: int | None = None) -> Question | None:
        """Read the code of the board's speed, or write that of another one; None where the profile has none."""
        speed = self.speed
        if speed is None:
            return None
        if baud is None:
            address = speed.register_ if speed.read is None else speed.read
            return Question(unit=unit, function=READ_REGISTERS, address=address, value=1)
        if baud not in speed.codes:
            return None
        return _write_register(unit, speed.write, speed.register_, speed.codes[baud])

    def in_words(self, what: str, *, unit: int) -> Question | None:
        """The question that the words of a vector mean, for example ``pulse 1 700``; None when there is none."""
        verb, *rest = what.split() or [""]
        if not all(word.isdecimal() for word in rest):
            return None
        match verb, [int(word) for word in rest]:
            case (("on" | "off"), [channel]):
                return self.question(Ask(verb), unit=unit, channel=channel)
            case "pulse", [channel, ms]:
                return self.question(Ask.PULSE, unit=unit, channel=channel, ms=ms)
            case "outputs", [channel]:
                return self.question(Ask.OUTPUTS, unit=unit, channel=channel)
            case (("all_off" | "outputs" | "inputs"), []):
                return self.question(Ask(verb), unit=unit)
            case "check", [number] if 1 <= number <= len(self.check):
                return self.check_question(self.check[number - 1], unit=unit)
            case "read_address", []:
                return self.address_question(unit=unit)
            case "set_address", [new]:
                return self.address_question(unit=unit, new=new)
            case "read_baud", []:
                return self.speed_question(unit=unit)
            case "set_baud", [baud]:
                return self.speed_question(unit=unit, baud=baud)
        return None

    def verbs(self) -> set[str]:
        """The verbs that need a vector: all that move an output, and all that are asked by themselves."""
        needed = {"inputs"} if self.inputs is not None else set()
        if self.outputs is not None:
            needed |= {"on", "off"}
            parts = {
                "all_off": self.outputs.all_off,
                "pulse": self.outputs.pulse,
                "outputs": self.outputs.read,
            }
            needed |= {verb for verb, part in parts.items() if part is not None}
        if self.address is not None:
            needed |= {"set_address"}
        if self.speed is not None:
            needed |= {"read_baud", "set_baud"}
        return needed | ({"check"} if self.check else set())


def _write_register(unit: int, function: Literal[6, 16], address: int, value: int) -> Question:
    kind = RegisterWrite if function == WRITE_REGISTERS else Question
    return kind(unit=unit, function=function, address=address, value=value)


def _read_outputs(outputs: OutputsSection, unit: int, channel: int) -> Question | None:
    read = outputs.read
    if read is None:
        return None
    if read.function == READ_REGISTERS:
        if channel == 0:
            return None  # one at a time
        return Question(unit=unit, function=READ_REGISTERS, address=read.first + channel - 1, value=1)
    return Question(unit=unit, function=1, address=read.first, value=read.count or outputs.count)


def _show(outputs: OutputsSection, unit: int) -> Question | None:
    """A reading that shows the unit: where outputs cannot be read, its answer that it knows no such function will do.

    Coils are asked from address 1 on, because ``01 01 00 00`` gives a Conrad board a new address.
    """
    if outputs.read is not None:
        return _read_outputs(outputs, unit, channel=0 if outputs.read.function == READ_COILS else 1)
    function = READ_COILS if outputs.write == WRITE_COIL else READ_REGISTERS
    return Question(unit=unit, function=function, address=max(1, outputs.first), value=1)


def _write(outputs: OutputsSection, ask: Ask, channel: int, ms: int) -> WriteSection | None:
    if ask is Ask.ALL_OFF:
        return outputs.all_off
    if channel == 0:
        return None
    if ask in {Ask.ON, Ask.OFF}:
        value = outputs.on if ask is Ask.ON else outputs.off
        return WriteSection(address=outputs.first + channel - 1, value=value)
    pulse = outputs.pulse
    if ask is not Ask.PULSE or pulse is None:
        return None
    steps = ms // pulse.step_ms
    value = pulse.value + steps if steps != 1 or pulse.one_step is None else pulse.one_step
    return WriteSection(address=pulse.first + channel - 1, value=value)


def profile_names() -> list[str]:
    """The profiles that come with this program."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_profile(name: str | Path) -> Profile:
    """A profile by its name, or a site's own by the path of its file.

    Raises:
        ProfileError: There is none, or it contradicts itself.
    """
    text = str(name)
    path = Path(text) if text.endswith(".toml") else FOLDER / f"{text}.toml"
    if not text.endswith(".toml") and text not in profile_names():
        raise ProfileError(
            text,
            "",
            f"there is none of this name. Use one of: {', '.join(profile_names())}; or the path of a .toml file",
        )
    try:
        raw = read_at_most(path, FILE_BYTES_MAX)
    except OSError as error:
        raise ProfileError(str(path), "", f"it cannot be read ({error.strerror})") from error
    return parse_profile(raw, file=str(path))


def parse_profile(raw: bytes, *, file: str) -> Profile:
    """A profile from the bytes of its file, checked against its own vectors.

    Raises:
        ProfileError: It is no profile, or it contradicts itself; names ``file`` and the line or key.
    """
    try:
        text = raw.decode()
        found = toml_of(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(file, "", f"it is no TOML file: {error}") from error
    try:
        profile = Profile.model_validate(found)
    except ValidationError as error:
        # A key that is misspelt is also missing: the first is what helps.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        raise ProfileError(file, _where(text, key), first["msg"]) from error
    _check_limits(profile, file)
    for number, vector in enumerate(profile.vector):
        where = f"line {_vector_line(text, number)}, vector {number + 1} ({vector.what!r})"
        _check_vector(profile, vector, file, where)
    missing = profile.verbs() - {vector.what.split()[0] for vector in profile.vector}
    if missing:
        raise ProfileError(file, "vector", f"there is no vector for: {', '.join(sorted(missing))}")
    return profile


def _check_limits(profile: Profile, file: str) -> None:
    """What one section cannot know of another."""
    outputs = profile.outputs
    if outputs is None:
        if profile.inputs is None:
            raise ProfileError(file, "outputs", "a board has outputs, inputs or both; this one has neither")
        return
    areas = [("outputs.first", outputs.first)]
    pulse = outputs.pulse
    if pulse is not None:
        areas.append(("outputs.pulse.first", pulse.first))
        shortest, longest = pulse.ms
        if shortest > longest or shortest % pulse.step_ms or longest % pulse.step_ms:
            raise ProfileError(
                file,
                "outputs.pulse.ms",
                f"{shortest} to {longest} must rise, in whole steps of {pulse.step_ms} ms",
            )
    if outputs.read is not None:
        areas.append(("outputs.read.first", outputs.read.first))
        if outputs.read.count is not None and outputs.read.count < outputs.count:
            raise ProfileError(file, "outputs.read.count", "it reads fewer outputs than there are")
    for key, first in areas:
        if first + outputs.count > 0x10000:
            raise ProfileError(file, key, "the last output has no address: they end at 0xFFFF")
    if outputs.on == outputs.off:
        raise ProfileError(file, "outputs.on", "on and off are the same value")


def _check_vector(profile: Profile, vector: VectorSection, file: str, where: str) -> None:
    unit = profile.unit if vector.unit is None else vector.unit
    question = profile.in_words(vector.what, unit=unit)
    if question is None:
        raise ProfileError(file, where, "the profile has no such verb, or its numbers are wrong")
    try:
        expected = bytes.fromhex(vector.frame)
    except ValueError as error:
        raise ProfileError(file, where, "frame is not hex, two digits a byte") from error
    made = Rtu().wrap(question.body())
    if made != expected:
        raise ProfileError(
            file,
            where,
            f"the profile makes {made.hex(' ').upper()}, the vector says {expected.hex(' ').upper()}",
        )


def _vector_line(text: str, number: int) -> int:
    """Line of the n-th ``[[vector]]``, counted from 1; 1 where the file writes vectors in another way."""
    lines = [at for at, line in enumerate(text.splitlines(), 1) if line.strip().startswith("[[vector]]")]
    return lines[number] if number < len(lines) else 1


def _where(text: str, key: str) -> str:
    """The key, and the line where its last part is set, when there is just one such line."""
    name = key.rsplit(".", 1)[-1]
    lines = [at for at, line in enumerate(text.splitlines(), 1) if line.split("=")[0].strip() == name]
    return f"line {lines[0]}, {key}" if len(lines) == 1 else key
