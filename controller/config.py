"""``centre.toml``: what one centre is told. The file is checked here, once; the rest sees ``CentreConfig``."""

import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator

from passes.stay import StayRule
from passes.vocabulary import Category
from shell.broker_url import parse_broker_url
from shell.names import GateId
from shell.settings import SettingsError, SettingsModel, ZoneName, load_settings
from shell.text import without_control

SITE_MAX: Final = 65_535  # the size of a pass is promised up to here
MINUTES_MAX: Final = 24 * 60  # no stay rule is longer than a day
SMS_SIGN_MAX: Final = 12  # carriers accept signatures of 2 to 12 characters
GATE_NAME_MAX: Final = 12  # as it stands in an SMS of 70 characters

DEFAULT_STAYS: Final[dict[str, int | str]] = {
    "food": 30,
    "courier": 60,
    "renovation": "20:00",
    "service": 240,
    "other": 240,
    "invited": 360,
}

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_TIME: Final = re.compile(
    r"([01]\d|2[0-3]):[0-5]0"
)  # 00:00 is the midnight that ends the day, as in passes.stay
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[0-9a-zA-Z.-]+)(:[0-9]+)?")

Port = Annotated[int, Field(ge=1, le=65_535)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
GateName = Annotated[str, StringConstraints(min_length=1, max_length=GATE_NAME_MAX)]


class _CentreTable(SettingsModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    zone: ZoneName = "Asia/Shanghai"
    data_dir: str = "centre"
    database: str = "sqlite:///centre/centre.db"
    keys_dir: str = "keys"
    api_token_file: str | None = None

    _clean = field_validator("name")(without_control)

    @field_validator("database")
    @classmethod
    def _sqlite_for_now(cls, url: str) -> str:
        if not url.startswith("sqlite:///") or url == "sqlite:///":
            raise ValueError("must be sqlite:///FILE (relative to this file, or sqlite:////absolute/path)")
        return url


class _BrokerTable(SettingsModel):
    url: str = "auto"
    port: Port = 18830
    embedded: Literal["auto", "mosquitto", "amqtt"] = "auto"  # which child "auto" starts

    @field_validator("url")
    @classmethod
    def _auto_or_mqtt(cls, url: str) -> str:
        if url != "auto":
            parse_broker_url(url)
        return url


class _WebTable(SettingsModel):
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None

    @field_validator("public_url")
    @classmethod
    def _whole_address(cls, url: str | None) -> str | None:
        """As it is put in front of a link; elsewhere than on this machine browsers make keys over https alone."""
        if url is None:
            return None
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES)
        if not secure or not parts.hostname or not _HOST.fullmatch(parts.netloc):
            raise ValueError('must be like "https://gate.example.com": over plain http phones make no keys')
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("must end with the host or its port: the pages are at the top of it")
        return f"{parts.scheme}://{parts.netloc.lower()}"


class _SmsTable(SettingsModel):
    url: str
    sign: Annotated[str, StringConstraints(min_length=2, max_length=SMS_SIGN_MAX)]
    supervisors: Annotated[list[Phone], Field(max_length=20, default_factory=list)]

    _clean = field_validator("sign")(without_control)

    @field_validator("sign")
    @classmethod
    def _no_brackets(cls, sign: str) -> str:
        if set("【】[]") & set(sign):
            raise ValueError("must not hold brackets; they are put around it")
        return sign

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError("must be http://… or https://…")
        return url

    @field_validator("supervisors")
    @classmethod
    def _each_once(cls, phones: list[str]) -> list[str]:
        if len(set(phones)) != len(phones):
            raise ValueError("names one number twice; each supervisor gets one message")
        return phones


class _StayTable(SettingsModel):
    food: int | str = DEFAULT_STAYS["food"]
    courier: int | str = DEFAULT_STAYS["courier"]
    renovation: int | str = DEFAULT_STAYS["renovation"]
    service: int | str = DEFAULT_STAYS["service"]
    other: int | str = DEFAULT_STAYS["other"]
    invited: int | str = DEFAULT_STAYS["invited"]

    @field_validator("*", mode="before")
    @classmethod
    def _minutes_or_time(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MINUTES_MAX:
            return value
        if isinstance(value, str) and _TIME.fullmatch(value):
            return value
        raise ValueError(f'must be 1 to {MINUTES_MAX} minutes, or a time like "20:00" in steps of 10 minutes')


class _SiteTable(SettingsModel):
    id: Annotated[int, Field(ge=1, le=SITE_MAX)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    stay: _StayTable = _StayTable()
    keyset: str = "keyset.json"
    units: str = "units.json"
    static_needs_guard: bool = True
    gates: Annotated[dict[GateId, GateName], Field(default_factory=dict)]

    _clean = field_validator("name")(without_control)

    @field_validator("gates")
    @classmethod
    def _clean_names(cls, gates: dict[str, str]) -> dict[str, str]:
        return {gate: without_control(name) for gate, name in gates.items()}


class _CentreFile(SettingsModel):
    centre: _CentreTable
    broker: _BrokerTable = _BrokerTable()
    web: _WebTable = _WebTable()
    sms: _SmsTable | None = None
    site: Annotated[list[_SiteTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _sites_differ(self) -> "_CentreFile":
        ids = [site.id for site in self.site]
        if len(set(ids)) != len(ids):
            raise ValueError("two [[site]] tables have the same id")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """One site: its stay rules, where its key set is, and what its gates are called in an SMS."""

    id: int
    name: str
    zone: ZoneInfo
    stays: dict[Category, StayRule]
    keyset: Path
    units: Path
    static_needs_guard: bool
    gate_names: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsConfig:
    """The SMS gateway and who is told about an overstay."""

    url: str
    sign: str
    supervisors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreConfig:
    """A whole ``centre.toml`` with every path resolved against the file's folder."""

    path: Path
    name: str
    zone: ZoneInfo
    data_dir: Path
    database_path: Path
    keys_dir: Path
    api_token_file: Path | None
    broker_url: str
    broker_port: int
    broker_embedded: Literal["mosquitto", "amqtt"] | None
    web_host: str
    web_port: int
    web_public_url: str | None
    sms: SmsConfig | None
    sites: dict[int, SiteConfig]

    @property
    def web_names(self) -> tuple[str, ...]:
        """The host names, besides localhost and plain addresses, by which the pages may be asked for."""
        host = urlsplit(self.web_public_url).hostname if self.web_public_url else None
        return () if host is None else (host,)


def load_centre(path: Path) -> CentreConfig:
    """Read and check ``centre.toml``.

    Raises:
        shell.settings.SettingsError: The file is missing or wrong; the message names line, key and remedy.
    """
    file = load_settings(path, _CentreFile)
    folder = path.resolve().parent
    zone = ZoneInfo(file.centre.zone)
    return CentreConfig(
        path=path,
        name=file.centre.name,
        zone=zone,
        data_dir=folder / file.centre.data_dir,
        database_path=folder / file.centre.database.removeprefix("sqlite:///"),
        keys_dir=folder / file.centre.keys_dir,
        api_token_file=folder / file.centre.api_token_file if file.centre.api_token_file else None,
        broker_url=file.broker.url,
        broker_port=file.broker.port,
        broker_embedded=None if file.broker.embedded == "auto" else file.broker.embedded,
        web_host=file.web.host,
        web_port=file.web.port,
        web_public_url=file.web.public_url,
        sms=SmsConfig(url=file.sms.url, sign=file.sms.sign, supervisors=tuple(file.sms.supervisors))
        if file.sms
        else None,
        sites={site.id: _site(site, folder, zone) for site in file.site},
    )


def _rule(value: int | str) -> StayRule:
    return StayRule(minutes=value) if isinstance(value, int) else StayRule(leave_by=time.fromisoformat(value))


def _site(table: _SiteTable, folder: Path, zone: ZoneInfo) -> SiteConfig:
    return SiteConfig(
        id=table.id,
        name=table.name,
        zone=zone,
        stays={Category.from_code(code): _rule(value) for code, value in table.stay.model_dump().items()},
        keyset=folder / table.keyset,
        units=folder / table.units,
        static_needs_guard=table.static_needs_guard,
        gate_names=dict(table.gates),
    )


def read_api_token(config: CentreConfig) -> str | None:
    """The bearer token of the programming interface, or None when the file does not name one.

    Raises:
        SettingsError: The token file is named but missing, readable by others, or too short.
    """
    path = config.api_token_file
    if path is None:
        return None
    try:
        mode, token = path.stat().st_mode, path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            config.path,
            [f": centre.api_token_file: {path} cannot be read. Remove the key to switch the API off"],
        ) from error
    if mode & 0o077:
        raise SettingsError(
            config.path, [f": centre.api_token_file: others may read {path}. Run: chmod 600 {path}"]
        )
    if len(token) < 32:
        raise SettingsError(config.path, [f": centre.api_token_file: {path} holds fewer than 32 characters"])
    return token
