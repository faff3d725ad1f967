"""The programming interface under ``/api/v1``: a bearer token, strict and bounded bodies, plain JSON back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, HTTPException, Request
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    field_validator,
    model_validator,
)

from controller.figures import figures
from controller.hours import TEXT_MAX, HoursError, read_hours
from controller.issuing import IssueError, Issuer, Order, StandingError
from controller.pass_records import find_pass, find_walk_in
from controller.phone.guarding import bearer, bounded, guarded
from controller.store import Store
from passes.claims import KeyLevel
from passes.schedule import WINDOWS_MAX
from passes.vocabulary import Category
from shell.clock import Clock
from sync.messages import Hex16, utc_text

BODY_BYTES_MAX: Final = 16 * 1024
VALID_MINUTES_MAX: Final = 90 * 24 * 60

Window = Annotated[str, StringConstraints(max_length=TEXT_MAX)]
Level = Annotated[int, Field(strict=True, ge=KeyLevel.SOFT, le=KeyLevel.KEPT)]


class PassRequest(BaseModel):
    """Body of ``POST /api/v1/passes``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    phone: Annotated[str, StringConstraints(min_length=5, max_length=24)]
    category: str
    unit: Annotated[int, Field(strict=True)]
    purpose: Annotated[int, Field(strict=True)] = 0
    valid_minutes: Annotated[int, Field(strict=True, ge=1, le=VALID_MINUTES_MAX)]
    stay_minutes: Annotated[int, Field(strict=True)] | None = None
    holder_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{66}$")] | None = None
    gates: Annotated[list[Annotated[int, Field(strict=True)]], Field(min_length=1, max_length=8)]
    static: Annotated[bool, Field(strict=True)] = False
    site: Annotated[int, Field(strict=True)] | None = None
    key_level: Level | None = None
    hours: Annotated[list[Window], Field(min_length=1, max_length=7 * WINDOWS_MAX)] | None = None

    @field_validator("category")
    @classmethod
    def _known(cls, code: str) -> str:
        if code not in {category.code for category in Category}:
            raise ValueError(f"must be one of {', '.join(category.code for category in Category)}")
        return code

    @field_validator("hours")
    @classmethod
    def _windows(cls, hours: list[str] | None) -> list[str] | None:
        if hours is not None:
            try:
                read_hours(hours)
            except HoursError as error:
                raise ValueError(str(error)) from error
        return hours

    @model_validator(mode="after")
    def _level_of_a_key(self) -> Self:
        if self.key_level is not None and self.holder_key is None:
            raise ValueError("key_level says how holder_key is kept; give both or none")
        return self

    def to_domain(self) -> Order:
        """The order that the issuer checks."""
        return Order(
            name=self.name,
            phone=self.phone,
            category=Category.from_code(self.category),
            unit=self.unit,
            purpose=self.purpose,
            valid=timedelta(minutes=self.valid_minutes),
            gates=frozenset(self.gates),
            stay_minutes=self.stay_minutes,
            holder_key=bytes.fromhex(self.holder_key) if self.holder_key else None,
            static=self.static,
            key_level=KeyLevel.KEPT if self.key_level is None else KeyLevel(self.key_level),
            schedule=read_hours(self.hours) if self.hours is not None else None,
        )


class PassAnswer(BaseModel):
    """A signed pass: ``text`` for paper, ``pass_hex`` for the phone that holds the key."""

    pass_id: str
    person: str
    colour: str
    expires_at: str
    text: str | None = None
    pass_hex: str | None = None


Moment = Annotated[AwareDatetime, PlainSerializer(utc_text, return_type=str)]


class VisitAnswer(BaseModel):
    """One stay on a pass."""

    model_config = ConfigDict(from_attributes=True)

    state: str
    entry_gate: str
    entered_at: Moment
    due_at: Moment | None = None
    left_at: Moment | None = None


class PassRecordAnswer(BaseModel):
    """Answer of ``GET /api/v1/passes/{pass_id}``; name and phone are masked."""

    model_config = ConfigDict(from_attributes=True)

    pass_id: str
    site: int
    state: Literal["valid", "revoked", "expired", "used_up"]
    kind: Literal["paper", "phone"]
    colour: str
    category: str
    person: str
    name: str | None = None
    phone: str | None = None
    unit: int
    purpose: int
    gates: list[int]
    key_level: int | None = None
    key_id: str
    issued_at: Moment
    expires_at: Moment
    revoked_at: Moment | None = None
    revoked_by: str | None = None
    revoked_reason: str | None = None
    visits: list[VisitAnswer]


class WalkInAnswer(BaseModel):
    """Answer of ``GET /api/v1/passes/{pass_id}`` for a pass that a gate issued; the centre never had the number."""

    model_config = ConfigDict(from_attributes=True)

    pass_id: str
    site: int
    state: Literal["valid", "expired", "used_up"]
    kind: Literal["walk_in"] = "walk_in"
    colour: Literal["blue"] = "blue"
    category: str | None = None
    person: str | None = None
    phone_last4: str | None = None
    unit: int | None = None
    gate: str
    issued_at: Moment
    by: str
    reason: str
    expires_at: Moment
    visits: list[VisitAnswer]


def api_router(
    *,
    token: str,
    store: Store,
    clock: Clock,
    issuers: Mapping[int, Issuer],
    changed: Callable[[], None] = lambda: None,
) -> APIRouter:
    """The routes of the interface.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        store: The database.
        clock: For what has expired.
        issuers: The issuer of each site.
        changed: Called when something on the pages changed.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.post("/passes", status_code=201, response_model_exclude_none=True)
    def issue_pass(order: PassRequest) -> PassAnswer:
        """Issue one pass."""
        issued = _issuer(order, issuers)
        try:
            made = issued.issue(order.to_domain())
        except StandingError as error:
            raise HTTPException(409, {"field": error.field, "problem": error.problem}) from error
        except IssueError as error:
            raise HTTPException(422, {"field": error.field, "problem": error.problem}) from error
        changed()
        claims = made.claims
        pass_hex = made.sealed.hex() if claims.holder_key else None
        return PassAnswer(
            pass_id=claims.pass_id,
            person=claims.person,
            colour=claims.category.colour.value,
            expires_at=utc_text(datetime.fromtimestamp(claims.expires_at, UTC)),
            text=made.text(),
            pass_hex=pass_hex,
        )

    @router.get("/passes/{pass_id}", response_model_exclude_none=True)
    def show_pass(pass_id: Hex16) -> PassRecordAnswer | WalkInAnswer:
        """One pass: what was issued here or registered at a gate, and what became of it."""
        found = find_pass(store, clock, pass_id)
        if found is not None:
            return PassRecordAnswer.model_validate(found)
        walk_in = find_walk_in(store, clock, pass_id)
        if walk_in is not None:
            return WalkInAnswer.model_validate(walk_in)
        raise HTTPException(404, "this centre issued no such pass, and no gate has told of one")

    @router.get("/status")
    def status() -> dict[str, Any]:
        """Counts for scripts."""
        return asdict(figures(store))

    return router


def _issuer(order: PassRequest, issuers: Mapping[int, Issuer]) -> Issuer:
    site = order.site if order.site is not None else next(iter(issuers)) if len(issuers) == 1 else None
    issuer = issuers.get(site) if site is not None else None
    if issuer is None:
        sites = ", ".join(map(str, issuers))
        raise HTTPException(422, {"field": "site", "problem": f"name one of the sites here: {sites}"})
    return issuer
