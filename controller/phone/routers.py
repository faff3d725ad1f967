"""Everything that a centre serves for phones, as routers for ``controller.web.app.create_console``."""

from fastapi import APIRouter

from controller.config import CentreConfig
from controller.phone.enrolment import Enrolment
from controller.phone.offers_api import offers_router
from controller.phone.page import PAGE_PATH, page_router
from controller.phone.router import phone_router
from shell.clock import Clock


def phone_routers(
    enrolment: Enrolment, *, clock: Clock, config: CentreConfig, token: str | None, short_codes: bool = False
) -> list[APIRouter]:
    """The page, what it asks, and the interface by which links are made.

    Args:
        enrolment: Turns links into passes.
        clock: Wall time.
        config: For the names of the sites and their time zone.
        short_codes: Whether the gates look passes up by short codes.
        token: Bearer token of the interface, or None: then nobody makes links over HTTP.
    """
    routers = [
        page_router(),
        phone_router(
            enrolment=enrolment,
            clock=clock,
            sites=config.sites,
            zone=config.zone.key,
            short_codes=short_codes,
        ),
    ]
    if token is not None:
        routers.append(
            offers_router(
                token=token, enrolment=enrolment, page_path=PAGE_PATH, public_url=config.web_public_url
            )
        )
    return routers
