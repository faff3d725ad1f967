"""Who somebody is at the centre: one phone number, one pseudonym, a name that is masked before it is kept."""

import hashlib
import hmac
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from controller import aliases, schema
from passes.vocabulary import PersonId
from shell import phone_number
from shell.person_secret import PersonSecret

NAME_MAX: Final = 40
PEPPER_BYTES: Final = 32


class PersonError(ValueError):
    """A name or phone number cannot be taken; the message says what to write instead."""


def canonical_phone(text: str) -> str:
    """One spelling of a phone number, E.164: ``+8613800138000``. Eleven digits alone are a Chinese mobile.

    Raises:
        PersonError: The text is not a number that an SMS could reach.
    """
    try:
        return phone_number.canonical_phone(text)
    except phone_number.PhoneNumberError as error:
        raise PersonError(f"phone: {error}") from error


def pseudonym(pepper: bytes, phone: str) -> PersonId:
    """The person behind a canonical phone number: the first 64 bits of HMAC-SHA-256 under the centre's pepper."""
    assert len(pepper) >= PEPPER_BYTES and phone_number.is_canonical(phone)
    return PersonId(hmac.new(pepper, phone.encode("ascii"), hashlib.sha256).digest()[:8].hex())


def masked_name(name: str) -> str:
    """What is kept of a name: its first character, and a star for each of at most two more (``张**``).

    Raises:
        PersonError: The name is empty, too long, or holds control characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise PersonError(f"name: write 1 to {NAME_MAX} characters")
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise PersonError("name: control characters are not part of a name")
    return name[0] + "*" * min(max(len(name) - 1, 1), 2)


def read_pepper(path: Path) -> bytes:
    """The pepper from its file (64 hex digits).

    Raises:
        OSError: It cannot be read.
        ValueError: It is not what ``init`` writes.
    """
    pepper = bytes.fromhex(path.read_text(encoding="ascii"))
    if len(pepper) < PEPPER_BYTES:
        raise ValueError(f"{path} holds fewer than {PEPPER_BYTES} bytes")
    return pepper


def remember(
    connection: Connection,
    *,
    site: int,
    person: PersonId,
    shown_name: str,
    phone: str,
    now: datetime,
    secret: PersonSecret | None = None,
) -> None:
    """Keep a person's masked name, and the number apart from it; the newest name stands.

    With the site's person secret also who the number is as a walk-in.
    """
    key = (schema.person.c.site == site) & (schema.person.c.person == person)
    if connection.execute(select(schema.person.c.person).where(key)).first():
        connection.execute(schema.person.update().where(key).values(shown_name=shown_name))
        return
    connection.execute(
        schema.person.insert().values(site=site, person=person, shown_name=shown_name, since=now)
    )
    connection.execute(schema.phone.insert().values(site=site, person=person, phone=phone))
    if secret is not None:
        aliases.remember(connection, site=site, person=person, phone=phone, secret=secret)
