"""The three questions of the phone's page: what does this link offer, enrol my key, what time is it."""

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.config import SiteConfig
from controller.hours import say_hours
from controller.phone.enrolment import Enrolled, Enrolment, Offered, Proof, Refusal
from controller.phone.guarding import WrongCounter, bounded, guarded
from controller.phone.page import PAGE_PATH
from controller.phone.words import TOO_MANY, device_words, for_refusal
from passes.claims import KeyLevel
from passes.words import Pair, for_category
from shell.clock import Clock

BODY_BYTES_MAX: Final = 1024
STATUS: Final = {
    Refusal.UNKNOWN: 404,
    Refusal.USED: 409,
    Refusal.NOT_PROVEN: 403,
    Refusal.RED: 403,
    Refusal.LATER: 503,
}

Secret = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class LookRequest(BaseModel):
    """Body of ``POST /p/look``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Secret


class EnrolRequest(BaseModel):
    """Body of ``POST /p/enrol``: the phone's compressed P-256 point and its signature r || s, both hex."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Secret
    public_key: Annotated[str, StringConstraints(pattern=r"^0[23][0-9a-f]{64}$")]
    proof: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
    key_level: Annotated[int, Field(strict=True, ge=KeyLevel.SOFT, le=KeyLevel.KEPT)]


class Line(BaseModel):
    """One line in both languages."""

    zh: str
    en: str


class PassWords(BaseModel):
    """What the page shows around the code; it does not look into the pass."""

    colour: str
    category_zh: str
    category_en: str
    site: str
    zone: str
    short_codes: bool
    hours: list[Line]


class TimeAnswer(BaseModel):
    """The centre's wall time in Unix milliseconds."""

    now_ms: int


class LookAnswer(TimeAnswer):
    """What a link offers."""

    challenge: str
    words: PassWords


class EnrolAnswer(TimeAnswer):
    """The pass for this phone. ``key_level`` is what the pass says, ``entries`` 0 without limit."""

    pass_id: str
    pass_hex: str
    key_level: int
    entries: int
    expires_ms: int
    words: PassWords


def phone_router(
    *, enrolment: Enrolment, clock: Clock, sites: dict[int, SiteConfig], zone: str, short_codes: bool
) -> APIRouter:
    """The routes below ``/p`` that answer the page.

    Args:
        enrolment: Turns links into passes.
        clock: Wall time, which the page takes for its codes.
        sites: For their names.
        zone: Time zone in which the page shows when a pass ends.
        short_codes: Whether the gates look passes up by short codes; then the page shows them in turn.
    """
    router = APIRouter(
        prefix=PAGE_PATH,
        include_in_schema=False,
        route_class=guarded(partial(bounded, bytes_max=BODY_BYTES_MAX)),
    )
    wrong = WrongCounter(clock.monotonic_s)

    def now_ms() -> int:
        return int(clock.now().timestamp() * 1000)

    def words(found: Offered | Enrolled) -> PassWords:
        named = for_category(found.category.code)
        return PassWords(
            colour=found.category.colour.value,
            category_zh=named.zh,
            category_en=named.en,
            site=sites[found.site].name,
            zone=zone,
            short_codes=short_codes,
            hours=[Line(zh=said.zh, en=said.en) for said in say_hours(found.schedule)]
            if found.schedule
            else [],
        )

    def refused(refusal: Refusal, address: str) -> JSONResponse:
        if refusal in {Refusal.UNKNOWN, Refusal.NOT_PROVEN}:
            wrong.count(address)
        return _said(STATUS[refusal], refusal.value, for_refusal(refusal))

    @router.post("/look", response_model=LookAnswer)
    def look(asked: LookRequest, request: Request) -> LookAnswer | JSONResponse:
        address = _address(request)
        if wrong.is_over(address):
            return _said(429, "too_many", TOO_MANY)
        found = enrolment.look(asked.secret)
        if isinstance(found, Refusal):
            return refused(found, address)
        return LookAnswer(now_ms=now_ms(), challenge=found.challenge.hex(), words=words(found))

    @router.post("/enrol", response_model=EnrolAnswer)
    def enrol(asked: EnrolRequest, request: Request) -> EnrolAnswer | JSONResponse:
        address = _address(request)
        if wrong.is_over(address):
            return _said(429, "too_many", TOO_MANY)
        proof = Proof(
            public_key=bytes.fromhex(asked.public_key),
            signature=bytes.fromhex(asked.proof),
            level=KeyLevel(asked.key_level),
            device=device_words(request.headers.get("user-agent", "")),
        )
        found = enrolment.enrol(asked.secret, proof)
        if isinstance(found, Refusal):
            return refused(found, address)
        expires_ms = int(found.expires_at.timestamp() * 1000)
        return EnrolAnswer(
            now_ms=now_ms(),
            pass_id=found.pass_id,
            pass_hex=found.sealed.hex(),
            key_level=found.key_level,
            entries=found.entries,
            expires_ms=expires_ms,
            words=words(found),
        )

    @router.get("/time")
    def time() -> TimeAnswer:
        return TimeAnswer(now_ms=now_ms())

    return router


def _said(status: int, code: str, pair: Pair) -> JSONResponse:
    return JSONResponse({"code": code, "zh": pair.zh, "en": pair.en}, status_code=status)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
