"""``/api/v1``: commands to gates. Whoever holds the token is believed to be who ``by`` says."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from controller.api import BODY_BYTES_MAX, Moment
from controller.bundles_api import Name, Said
from controller.commands import WAIT_S_MAX, CommandError, GateAwayError, GateCommands, Ordered
from controller.phone.guarding import bearer, bounded, guarded
from shell.names import GateId, Word
from sync.commands import TTL_MAX_S, Op
from sync.messages import Hex16, Hex64

AWAY: Final = 503  # the status for a gate that is not online
_OWN: Final = frozenset({"op", "by", "reason", "ttl_s"})


class CommandRequest(BaseModel):
    """Body of ``POST /api/v1/sites/{site}/gates/{gate}/commands``; each op has its own of the fields in between."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    op: Op
    lane: Word | None = None
    seconds: float | None = None
    stay_id: Hex16 | None = None
    version: Name | None = None
    sha256: Hex64 | None = None
    ttl_s: Annotated[float, Field(gt=0, le=TTL_MAX_S)] | None = None
    by: Name
    reason: Said

    @property
    def args(self) -> dict[str, Any]:
        """What is said beside the op."""
        return self.model_dump(exclude=set(_OWN), exclude_none=True)


class CommandAnswer(BaseModel):
    """One command, and how far it has come."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    site: int
    gate: str
    cseq: int
    op: str
    args: dict[str, Any]
    by: str
    reason: str
    issued_at: Moment
    expires_at: Moment
    state: str
    sent_at: Moment | None
    ended_at: Moment | None
    why: str | None
    detail: str


class CommandsAnswer(BaseModel):
    """The newest commands, the newest first."""

    site: int
    commands: list[CommandAnswer]


def commands_router(*, token: str, commands: GateCommands) -> APIRouter:
    """The routes.

    Args:
        token: What callers must send as ``Authorization: Bearer …``.
        commands: What they order and look at.
    """

    def look(request: Request) -> None:
        bearer(request, token)
        bounded(request, bytes_max=BODY_BYTES_MAX)

    router = APIRouter(prefix="/api/v1", route_class=guarded(look))

    @router.post("/sites/{site}/gates/{gate}/commands", status_code=202)
    def order(site: int, gate: GateId, wanted: CommandRequest) -> CommandAnswer:
        """Order something."""
        _known(commands, site)
        try:
            ordered = commands.order(
                site,
                gate,
                wanted.op,
                wanted.args,
                by=wanted.by,
                reason=wanted.reason,
                ttl_s=wanted.ttl_s,
            )
        except GateAwayError as error:
            raise HTTPException(AWAY, str(error)) from error
        except CommandError as error:
            raise HTTPException(409, {"field": error.field, "problem": error.problem}) from error
        return _answer(ordered)

    @router.get("/sites/{site}/commands")
    def listed(site: int, gate: GateId | None = None) -> CommandsAnswer:
        """The newest, of one gate or of all."""
        _known(commands, site)
        return CommandsAnswer(site=site, commands=[_answer(one) for one in commands.listed(site, gate)])

    @router.get("/sites/{site}/commands/{id_}")
    def one(
        site: int, id_: Hex16, wait_s: Annotated[float, Query(ge=0, le=WAIT_S_MAX)] = 0.0
    ) -> CommandAnswer:
        """One of them; with ``wait_s`` the answer comes when it has ended, or then."""
        _known(commands, site)
        found = commands.find(site, id_, wait_s=wait_s)
        if found is None:
            raise HTTPException(404, "this centre gave no such command")
        return _answer(found)

    return router


def _known(commands: GateCommands, site: int) -> None:
    if not commands.has(site):
        raise HTTPException(404, "no such site at this centre")


def _answer(found: Ordered) -> CommandAnswer:
    return CommandAnswer.model_validate(found)
