"""What the gates of one site tell each other over the site's broker, signed by the gate that says it.

Whole states of stays travel, not steps: what is told twice, late or in another order makes no difference.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from passes.vocabulary import GATES_MAX
from shell.names import GateId, Word
from sync.messages import WIRE_VERSION, Hex16, WireModel

STAYS_MAX: Final = 40  # in one message
BODY_BYTES_MAX: Final = 32 * 1024
DOMAIN: Final = b"postern/peer/1\0"

Ms = Annotated[int, Field(ge=0, lt=253_402_300_800_000)]  # before the year 10000
Number = Annotated[int, Field(ge=0, lt=GATES_MAX)]


class PeerStay(WireModel):
    """One stay as its teller knows it. Moments are milliseconds since 1970 in UTC."""

    stay_id: Hex16
    pass_id: Hex16
    person: Hex16
    category: Word
    unit: Annotated[int, Field(ge=0, lt=65_536)]
    purpose: Annotated[int, Field(ge=0, lt=65_536)]
    stay_claim: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    pass_end_ms: Ms
    gate: GateId  # where it began
    lane: Word
    state: Literal["pending", "inside", "left", "no_show", "superseded"]
    granted_ms: Ms
    entered_ms: Ms | None = None
    due_ms: Ms | None = None
    exited_ms: Ms | None = None
    settled: bool = False
    shown_at: Annotated[int, Field(ge=0, lt=2**32)] | None = None  # newest code of its pass that was taken


class PeerNews(WireModel):
    """``peer/<site>/pass``: stays that changed, or, to whoever was away, all that count."""

    v: int = WIRE_VERSION
    site: int
    gate: GateId
    at: AwareDatetime
    stays: Annotated[list[PeerStay], Field(max_length=STAYS_MAX)]


class PeerAsk(WireModel):
    """``peer/<site>/sync``: this gate was away and wants to hear what the others know. It changes nothing: unsigned."""

    v: int = WIRE_VERSION
    site: int
    gate: GateId


class Signed(WireModel):
    """What is on the wire: the text that was signed, by which gate's key."""

    v: int = WIRE_VERSION
    number: Number
    body: Annotated[str, StringConstraints(max_length=BODY_BYTES_MAX)]
    sig: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class PeerError(ValueError):
    """These bytes are nothing that a gate of this site has said; the message says why."""


Sign = Callable[[bytes], bytes]
Verifies = Callable[[int, bytes, bytes], bool]
"""Gate number, what was signed, signature: whether a key of that gate made it."""


def seal(news: PeerNews, *, number: int, sign: Sign) -> bytes:
    """The message for the wire."""
    body = news.model_dump_json(exclude_none=True)
    signed = Signed(number=number, body=body, sig=sign(DOMAIN + body.encode()).hex())
    return signed.model_dump_json().encode()


def open_news(payload: bytes, *, site: int, verifies: Verifies) -> PeerNews:
    """What a gate of ``site`` has said.

    Raises:
        PeerError: Not readable, not signed by the gate whose number it names, or of another site.
    """
    try:
        signed = Signed.model_validate_json(payload)
        if not verifies(signed.number, DOMAIN + signed.body.encode(), bytes.fromhex(signed.sig)):
            raise PeerError(f"not signed by gate {signed.number} of this site")
        news = PeerNews.model_validate_json(signed.body)
    except ValidationError as error:
        raise PeerError(f"{error.error_count()} problems in the message") from None
    except UnicodeEncodeError:
        raise PeerError("text that is none") from None
    if news.site != site:
        raise PeerError(f"of site {news.site}")
    return news


def in_messages(stays: Iterable[PeerStay]) -> list[list[PeerStay]]:
    """Cut into messages of ``STAYS_MAX``."""
    all_of_them = list(stays)
    return [all_of_them[first : first + STAYS_MAX] for first in range(0, len(all_of_them), STAYS_MAX)]
