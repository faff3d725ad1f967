"""The centre's own authority for gates: it signs who is who on the broker, and nothing else.

A gate's certificate carries its id as common name, and a name of its key (``urn:postern:gate:ID:KEY``) by which a
broker that knows no revocation list tells a new box from the one before it; a renewal keeps that name. Requests come
from outside and are believed for their public key alone: what else stands in them is left behind.

CertificateError    a file of the authority or a request cannot be used; the message says which and why
"""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shell.file_reading import read_at_most
from shell.files import write_secret, write_whole
from sync.tls import TlsFiles

CA_KEY: Final = "gate-ca.pem"
CA_CERTIFICATE: Final = "gate-ca.crt"
CA_LIVES: Final = timedelta(days=3650)
LIVES_MAX: Final = timedelta(days=365)
BROKER_LIVES: Final = timedelta(
    days=825
)  # a broker's certificate is carried by hand: it outlives two winters
EARLY: Final = timedelta(hours=1)  # so that a clock that is a little slow takes it at once
RENEW_BELOW: Final = timedelta(days=60)
CENTRE: Final = "centre-1"  # the centre's name on the broker
PEM_BYTES_MAX: Final = 8192
KEY_DIGITS: Final = 32


class CertificateError(Exception):
    """A certificate cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate as it was signed. ``public`` is its key as SubjectPublicKeyInfo, in DER form."""

    pem: str
    serial: str  # hex digits
    uri: str
    public: bytes
    not_after: datetime


class GateCa:
    """The authority of one centre. Its key signs certificates of parties on the broker and the list of revoked ones.

    Args:
        keys_dir: The folder of private keys; the authority is made there where there is none.
        now: When that is.

    Raises:
        CertificateError: A file is there and cannot be used, or none can be written.
    """

    def __init__(self, keys_dir: Path, now: datetime) -> None:
        self._dir = keys_dir
        key_path, self.path = keys_dir / CA_KEY, keys_dir / CA_CERTIFICATE
        try:
            if not key_path.exists():
                _make(key_path)
            self._key = load_key(key_path)
            if not self.path.exists():
                write_whole(self.path, _self_signed(self._key, now).public_bytes(Encoding.PEM))
            self.certificate = x509.load_pem_x509_certificate(read_at_most(self.path, PEM_BYTES_MAX))
        except OSError as error:
            raise CertificateError(
                f"{keys_dir}: the authority for gates cannot be read or made ({error.strerror})"
            ) from error
        except ValueError as error:
            raise CertificateError(
                f"{self.path}: is no certificate. Restore it from the backup of the keys"
            ) from error
        if public_der(self.certificate.public_key()) != public_der(self._key.public_key()):
            raise CertificateError(
                f"{self.path}: is not the certificate of {key_path}. Restore both from one backup"
            )

    @property
    def pem(self) -> str:
        """The certificate that gates and brokers pin."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in groups, for people who compare."""
        return fingerprint(self.certificate)

    def sign_request(self, request: x509.CertificateSigningRequest, name: str, now: datetime) -> Issued:
        """A client certificate for the key in a request, under a name that the caller has decided."""
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return self._sign_client(public, name, now)

    def party(self, name: str, now: datetime) -> TlsFiles:
        """Key and certificate of a party on this machine (the centre, a bridge), made or renewed where needed."""
        files = TlsFiles(
            ca=self.path, certificate=self._dir / f"broker-{name}.crt", key=self._dir / f"broker-{name}.pem"
        )
        self.keep_client(files, name, now)
        return files

    def keep_client(self, files: TlsFiles, name: str, now: datetime) -> None:
        """Make these files a client's of this name; those that are good for long are left as they are."""
        key = _kept_key(files.key)
        if not self._is_good(files.certificate, key, now, ()):
            issued = self._sign_client(key.public_key(), name, now)
            write_whole(files.certificate, issued.pem.encode())

    def keep_server(self, files: TlsFiles, names: Iterable[str], now: datetime) -> None:
        """The same for a broker that is reached by these names and addresses; the first is its common name."""
        key, wanted = _kept_key(files.key), tuple(names)
        if self._is_good(files.certificate, key, now, wanted):
            return
        sans = x509.SubjectAlternativeName([_general_name(name) for name in wanted])
        builder = self._builder(key.public_key(), wanted[0][:64], now, ExtendedKeyUsageOID.SERVER_AUTH)
        signed = (
            builder.serial_number(x509.random_serial_number())
            .add_extension(sans, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_whole(files.certificate, signed.public_bytes(Encoding.PEM))

    def revocation_list(self, revoked: Iterable[tuple[str, datetime]], now: datetime) -> bytes:
        """The signed list of these serial numbers.

        It holds until the authority ends: a broker whose list is too old refuses every gate, and a list is replaced
        whenever a certificate is revoked, not because time goes by.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - EARLY)
            .next_update(self.certificate.not_valid_after_utc)
        )
        for serial, at in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(at).build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _sign_client(self, public: ec.EllipticCurvePublicKey, name: str, now: datetime) -> Issued:
        builder = self._builder(public, name, now, ExtendedKeyUsageOID.CLIENT_AUTH)
        serial = x509.random_serial_number()
        uri = f"urn:postern:gate:{name}:{hashlib.sha256(public_der(public)).hexdigest()[:KEY_DIGITS]}"
        signed = (
            builder.serial_number(serial)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            pem=signed.public_bytes(Encoding.PEM).decode("ascii"),
            serial=f"{serial:x}",
            uri=uri,
            public=public_der(public),
            not_after=signed.not_valid_after_utc,
        )

    def _builder(
        self, public: ec.EllipticCurvePublicKey, name: str, now: datetime, use: x509.ObjectIdentifier
    ) -> x509.CertificateBuilder:
        lives = BROKER_LIVES if use == ExtendedKeyUsageOID.SERVER_AUTH else LIVES_MAX
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .not_valid_before(now - EARLY)
            .not_valid_after(min(now - EARLY + lives, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )

    def _is_good(
        self, path: Path, key: ec.EllipticCurvePrivateKey, now: datetime, names: tuple[str, ...]
    ) -> bool:
        """Whether the certificate in a file is ours, for this key and these names, and ends in more than a while."""
        try:
            held = x509.load_pem_x509_certificate(read_at_most(path, PEM_BYTES_MAX))
            held.verify_directly_issued_by(self.certificate)
            sans = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False  # then another is signed
        return (
            public_der(held.public_key()) == public_der(key.public_key())
            and held.not_valid_before_utc <= now
            and held.not_valid_after_utc - now > RENEW_BELOW
            and all(_general_name(name) in sans for name in names)
        )


def read_request(text: str) -> x509.CertificateSigningRequest:
    """A certificate request of a gate; raises ``CertificateError`` for what is none of ours.

    The request must be signed by the key in it, which is on P-256.
    """
    try:
        request = x509.load_pem_x509_csr(text.encode("ascii"))
        sound = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, TypeError):
        raise CertificateError("is not a certificate request in PEM form") from None
    public = request.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise CertificateError("its key is not on the curve P-256")
    if not sound:
        raise CertificateError("is not signed by the key in it")
    return request


def named_in(request: x509.CertificateSigningRequest) -> str:
    """The common name that a request asks for; empty where it asks for none or for several."""
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def own_uri(path: Path) -> str:
    """The name of its key that a certificate of ours carries; raises ``OSError`` and ``ValueError``."""
    held = x509.load_pem_x509_certificate(read_at_most(path, PEM_BYTES_MAX))
    sans = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sans.get_values_for_type(x509.UniformResourceIdentifier)[0]


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 in eight groups of eight hex digits."""
    digits = certificate.fingerprint(hashes.SHA256()).hex()
    return " ".join(digits[place : place + 8] for place in range(0, 64, 8))


def public_der(public: object) -> bytes:
    """A public key in one spelling."""
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A P-256 key in a file for its owner alone.

    Raises:
        CertificateError: It is another's to read, or no such key.
        OSError: It cannot be read.
    """
    if path.stat().st_mode & 0o077:
        raise CertificateError(f"{path}: others may read this private key. Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(read_at_most(path, PEM_BYTES_MAX), password=None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{path}: is not a private key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{path}: is not a P-256 key")
    return key


def _kept_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path)
    return load_key(path)


def _make(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _named("Postern gates")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now + CA_LIVES)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                key_cert_sign=True,
                crl_sign=True,
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
