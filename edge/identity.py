"""Who this gate is on the broker: a key of its own that never leaves the box, and the centre's certificate for it.

The files lie in ``identity`` in the gate's data folder. Nothing here decides at a lane: a gate whose certificate has
ended, or whose clock says 1970, goes on deciding and recording, and only the way to the centre waits.

IdentityError    a file cannot be used or written, or the centre's answer does not fit; the message says what to do
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from shell.broker_url import BrokerUrlError, parse_broker_url
from shell.clock import Clock
from shell.file_reading import open_regular, read_at_most
from shell.files import write_secret, write_whole
from shell.names import GateId
from sync.messages import DeviceData
from sync.tls import TlsFiles

FOLDER: Final = "identity"
WARN_BELOW: Final = timedelta(days=30)
FILE_BYTES_MAX: Final = 64 * 1024
DEVICE: Final = "certificate"

Pem = Annotated[str, StringConstraints(min_length=1, max_length=16 * 1024)]


class IdentityError(Exception):
    """This gate's identity cannot be used or made."""


class Granted(BaseModel):
    """What the centre answers to a request, over the network or in a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: int
    site: int
    gate: GateId
    certificate: Pem
    ca: Pem
    broker_url: Annotated[str, StringConstraints(max_length=300)]


class EnrolledAt(BaseModel):
    """``enrolled.json``: where this gate came in, for its next renewal."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    broker_url: str
    centre: str | None = None
    centre_ca: str | None = None


def tls_files(data_dir: Path) -> TlsFiles:
    """Where the files are, whether or not they are there."""
    folder = data_dir / FOLDER
    return TlsFiles(
        ca=folder / "centre-ca.crt",
        certificate=folder / "gate.crt",
        key=folder / "gate.pem",
        address=folder / "broker-address",
    )


def make_request(data_dir: Path, gate: str) -> str:
    """A signed request for a certificate, in PEM form; the key is made where there is none.

    Raises:
        IdentityError: The key cannot be used or written.
    """
    path = tls_files(data_dir).key
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _own_as(path.parent, data_dir)
            made = ec.generate_private_key(ec.SECP256R1())
            write_secret(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = _load_key(path)
    except OSError as error:
        raise IdentityError(f"{path} cannot be read or made ({error.strerror})") from error
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gate)])
    request = x509.CertificateSigningRequestBuilder().subject_name(named).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode("ascii")


def read_granted(data: bytes) -> Granted:
    """The centre's answer; raises ``IdentityError`` for whatever else came, such as a portal's page."""
    try:
        granted = Granted.model_validate_json(data)
        parse_broker_url(granted.broker_url)
    except (ValidationError, BrokerUrlError):
        raise IdentityError("is not a centre's answer to a gate") from None
    return granted


def install(
    data_dir: Path,
    granted: Granted,
    *,
    gate: str,
    site: int,
    now: datetime,
    centre: str | None = None,
    centre_ca: str | None = None,
    other_authority: bool = False,
) -> datetime:
    """Check that the answer is for this gate and its key, and put it in place; returns when the certificate ends.

    Args:
        data_dir: The gate's data folder.
        granted: The answer.
        gate: This gate.
        site: Its site.
        now: When; a certificate that has ended is not installed.
        centre: Where the answer came from, kept for the renewal.
        centre_ca: The file by which that address is checked, kept with it.
        other_authority: Whether another authority than the one that is here may take its place.

    Raises:
        IdentityError: It does not fit; nothing was changed.
    """
    files = tls_files(data_dir)
    try:
        certificate = x509.load_pem_x509_certificate(granted.certificate.encode())
        authority = x509.load_pem_x509_certificate(granted.ca.encode())
        certificate.verify_directly_issued_by(authority)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError, InvalidSignature):
        raise IdentityError("The answer holds no certificate of its own authority") from None
    if (granted.site, granted.gate) != (site, gate) or [name.value for name in names] != [gate]:
        raise IdentityError(
            f"The answer is for gate {granted.gate} of site {granted.site}, not for {gate} of {site}"
        )
    try:
        ours = _load_key(files.key).public_key()
        if certificate.public_key() != ours:
            raise IdentityError(f"The answer is for another key than {files.key}. Send a new request")
        if certificate.not_valid_after_utc <= now:
            raise IdentityError(f"The certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}")
        if files.ca.exists() and not other_authority and _load(files.ca) != authority:
            raise IdentityError(
                f"{files.ca} is another authority: is this the right centre? Once you know, repeat it with --force"
            )
        where = EnrolledAt(broker_url=granted.broker_url, centre=centre, centre_ca=centre_ca)
        write_whole(files.ca, granted.ca.encode())
        write_whole(files.certificate, granted.certificate.encode())
        write_whole(data_dir / FOLDER / "enrolled.json", where.model_dump_json().encode() + b"\n")
    except OSError as error:
        raise IdentityError(f"{files.key.parent}: cannot be read or written ({error.strerror})") from error
    return certificate.not_valid_after_utc


def enrolled_at(data_dir: Path) -> EnrolledAt | None:
    """Where this gate came in; None when it never did."""
    try:
        return EnrolledAt.model_validate_json(
            read_at_most(data_dir / FOLDER / "enrolled.json", FILE_BYTES_MAX)
        )
    except (OSError, ValidationError):
        return None


class IdentityWatch:
    """Says once when the certificate is about to end, has ended or is not there, and once when that is mended.

    Args:
        data_dir: The gate's data folder.
        clock: For how long is left; a certificate that begins in the future is told of, too.
        report: Takes the news; it becomes an event.
    """

    def __init__(self, data_dir: Path, clock: Clock, report: Callable[[DeviceData], None]) -> None:
        self._files, self._clock, self._report = tls_files(data_dir), clock, report
        self._told = ""

    def look(self) -> None:
        """Look once; never raises for a file."""
        kind, detail = self._trouble()
        if kind == self._told:
            return
        self._told = kind
        state = "fault" if kind else "recovered"
        self._report(DeviceData.model_validate({"device": DEVICE, "state": state, "detail": detail}))

    def _trouble(self) -> tuple[str, str]:
        """What kind of trouble there is, empty for none, and the words for it."""
        try:
            held, now = _load(self._files.certificate), self._clock.now()
        except (OSError, ValueError):
            return (
                "missing",
                "no certificate for the broker. Run: postern-edge enroll --code CODE --centre URL",
            )
        begins, ends = held.not_valid_before_utc, held.not_valid_after_utc
        if now < begins:
            return (
                "early",
                f"it begins on {begins:%Y-%m-%d}, and the clock says {now:%Y-%m-%d}. Set the clock",
            )
        if now >= ends:
            return "ended", f"it ended on {ends:%Y-%m-%d}. Run: postern-edge enroll --code CODE --centre URL"
        if ends - now < WARN_BELOW:
            return "ends", f"it ends on {ends:%Y-%m-%d}. Run: postern-edge enroll --renew"
        return "", f"good until {ends:%Y-%m-%d}"


def _load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(read_at_most(path, FILE_BYTES_MAX))


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    with open_regular(path) as file:
        mode, data = os.fstat(file.fileno()).st_mode, file.read(FILE_BYTES_MAX)
    if mode & 0o077:
        raise IdentityError(f"{path}: others may read this private key. Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise IdentityError(f"{path}: is not a private key in PEM form. Move it away, then enroll") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"{path}: is not a P-256 key. Move it away, then enroll")
    return key


def _own_as(folder: Path, other: Path) -> None:
    """What root makes in a gate's folder belongs to the gate's own user."""
    if os.geteuid() == 0:
        owner = other.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
