"""The part of ``postern-edge enroll`` that makes the gate somebody on the broker."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from drivers.gate.config import GateConfig
from edge.command import Exit, failure, put_facts, put_json, say
from edge.enrolling import AskingError, NoCentreError, check_url, enrol, renew
from edge.identity import (
    FILE_BYTES_MAX,
    EnrolledAt,
    Granted,
    IdentityError,
    enrolled_at,
    install,
    make_request,
    read_granted,
    tls_files,
)
from shell.clock import SystemClock
from shell.file_reading import read_at_most
from shell.files import write_whole
from shell.private import keep_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for on the command line."""

    centre: str | None
    code: str | None
    centre_ca: Path | None
    renew: bool
    csr_out: Path | None
    certificate: Path | None

    @property
    def anything(self) -> bool:
        """Whether it is about the certificate at all."""
        return any((self.centre, self.code, self.renew, self.csr_out, self.certificate))

    @property
    def one_way(self) -> bool:
        """Whether exactly one way to a certificate was named."""
        return sum(map(bool, (self.code, self.renew, self.csr_out, self.certificate))) == 1


def enroll_tls(settings: GateConfig, wanted: Wanted, *, force: bool, as_json: bool, dry_run: bool) -> None:
    """Do one of: come in by a code, renew, write a request, install an answer."""
    gate = settings.gate
    _check(wanted)
    if dry_run:
        say(
            f"Keys and certificates would be kept in {tls_files(gate.data_dir).key.parent}. Nothing was done."
        )
        return
    keep_private(gate.data_dir)
    try:
        if wanted.csr_out is not None:
            _carry(settings, wanted.csr_out, as_json=as_json)
            return
        before = enrolled_at(gate.data_dir)
        granted, centre, ca = _granted(settings, wanted, before)
        ends = install(
            gate.data_dir,
            granted,
            gate=gate.id,
            site=gate.site,
            now=SystemClock().now(),
            centre=centre,
            centre_ca=str(ca.resolve()) if ca else None,
            other_authority=force,
        )
    except NoCentreError as error:
        raise failure(error, Exit.UNREACHABLE) from None
    except (AskingError, IdentityError) as error:
        raise failure(error, Exit.FAILED) from None
    _tell(settings, granted, ends, as_json=as_json)


def _check(wanted: Wanted) -> None:
    if not wanted.one_way:
        raise failure("Name one of --code, --renew, --csr-out and --certificate", Exit.USAGE)
    if wanted.code is not None and wanted.centre is None:
        raise failure("--code needs --centre: the address of the centre's pages", Exit.USAGE)
    if wanted.centre is not None:
        try:
            check_url(wanted.centre)
        except ValueError as error:
            raise failure(f"--centre: {error}", Exit.USAGE) from None


def _granted(
    settings: GateConfig, wanted: Wanted, before: EnrolledAt | None
) -> tuple[Granted, str | None, Path | None]:
    """The answer, and where the next renewal asks and how it knows that place."""
    gate = settings.gate
    kept_ca = Path(before.centre_ca) if before and before.centre_ca else None
    centre = wanted.centre or (before.centre if before else None)
    ca = wanted.centre_ca or (kept_ca if wanted.centre is None else None)
    if wanted.certificate is not None:
        try:
            return read_granted(read_at_most(wanted.certificate, FILE_BYTES_MAX)), centre, ca
        except OSError as error:
            raise IdentityError(f"{wanted.certificate} cannot be read ({error.strerror})") from error
        except IdentityError as error:
            raise IdentityError(f"{wanted.certificate} {error}") from error
    if centre is None:
        raise failure("--renew needs --centre: this gate came in by files", Exit.USAGE)
    if wanted.renew and before is None:
        raise failure("This gate was never enrolled. Ask the centre for a code", Exit.FAILED)
    request = make_request(gate.data_dir, gate.id)
    if wanted.code is None:
        return renew(centre, request=request, ca=ca), centre, ca
    granted = enrol(centre, code=wanted.code, site=gate.site, gate=gate.id, request=request, ca=ca)
    return granted, centre, ca


def _carry(settings: GateConfig, out: Path, *, as_json: bool) -> None:
    gate = settings.gate
    request = make_request(gate.data_dir, gate.id)
    try:
        write_whole(out, request.encode())
    except OSError as error:
        raise IdentityError(f"{out} cannot be written ({error.strerror})") from error
    command = (
        f"postern-controller gate enroll --site {gate.site} --name {gate.id} --csr {out.name} "
        f"--out {gate.id}.identity --by NAME"
    )
    if as_json:
        put_json({"site": gate.site, "gate": gate.id, "csr": str(out), "command": command})
        return
    say(f"Written: {out}. Carry it to the centre, and have it signed there:")
    put_facts({"command": command})
    say(f"Then bring the answer here: postern-edge enroll --certificate {gate.id}.identity")


def _tell(settings: GateConfig, granted: Granted, ends: datetime, *, as_json: bool) -> None:
    gate = settings.gate
    files = tls_files(gate.data_dir)
    if as_json:
        put_json(
            {
                "site": gate.site,
                "gate": gate.id,
                "certificate": str(files.certificate),
                "ends": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
                "broker_url": granted.broker_url,
                "configured": granted.broker_url == settings.broker.url,
            }
        )
        return
    put_facts(
        {"certificate": str(files.certificate), "ends": f"{ends:%Y-%m-%d}", "broker": granted.broker_url}
    )
    if granted.broker_url != settings.broker.url:
        say(
            f"The centre's broker is another than in gate.toml. Unless this site has its own, write there:\n"
            f'[broker]\nurl = "{granted.broker_url}"'
        )
