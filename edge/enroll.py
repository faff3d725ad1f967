"""``postern-edge enroll``: make the gate's own keys, once, install the site's person secret, say what comes next.

A gate has two keys: one signs walk-in passes, the other is who the gate is on the broker. With --code, --renew,
--csr-out or --certificate the command is about the second alone, and ``edge.enroll_tls`` does it.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from drivers.gate.config import GateSection, load_config
from edge.command import (
    DEFAULT_CONFIG,
    ConfigOption,
    DryRunOption,
    Exit,
    JsonOption,
    failure,
    put_facts,
    put_json,
    say,
)
from edge.enroll_tls import Wanted, enroll_tls
from edge.gate_key import FILE, GateKey, GateKeyError, NoGateKeyError, load_gate_key, make_gate_key
from edge.person_secret import FILE as SECRET_FILE
from edge.person_secret import install_person_secret, load_person_secret
from shell.person_secret import PersonSecret, PersonSecretError, read_person_secret
from shell.settings import SettingsError

_GATE_ALONE: Final = (
    "No person secret of the site is here: of a walk-in's number this gate knows RED by its own visits alone. "
    "The centre writes it into a file; install that with: postern-edge enroll --person-secret FILE"
)
_REPLACED: Final = (
    "Walk-ins' numbers are other persons here from now on. Whoever is RED as a walk-in under the secret before, and "
    "has no pass of the centre's, is RED by number no more: settle that by hand. Gates and centre know the same "
    "persons only with the same secret"
)


@dataclass(frozen=True, slots=True)
class _Secret:
    """The person secret of this gate after the command, and whether the command brings it."""

    held: PersonSecret | None
    comes: bool = False
    replaces: bool = False


def enroll(
    *,
    person_secret: Annotated[
        Path | None, typer.Option(help="Install the site's person secret from this file of the centre's.")
    ] = None,
    centre: Annotated[
        str | None, typer.Option(help="Address of the centre's pages, for --code and --renew: https://…")
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(help="Get a certificate for the broker with this one-time code of the centre's."),
    ] = None,
    centre_ca: Annotated[
        Path | None, typer.Option(help="Whose signature the centre's https has, where no public authority's.")
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Get a later certificate where it is time.")] = False,
    csr_out: Annotated[
        Path | None, typer.Option(help="Write the request for a certificate into this file, to carry.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Install the certificate that the centre wrote into this file.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another person secret, or another centre's authority.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Make this gate's own key, so that guards can register visitors, and print what the centre needs to approve it.

    A key that is there already is printed and never replaced. With --person-secret the same number is the same person
    at every gate of the site, so that RED at one is RED at all. Run it as the gate's own user, or as root.

    With --code the gate gets its certificate for the broker; without a way to the centre's pages the request goes there
    and the certificate comes back in files (--csr-out, --certificate).

    Example: postern-edge enroll --config gate.toml
    """
    try:
        settings = load_config(config)
        gate = settings.gate
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    wanted = Wanted(
        centre=centre, code=code, centre_ca=centre_ca, renew=renew, csr_out=csr_out, certificate=certificate
    )
    if wanted.anything:
        if person_secret is not None:
            raise failure("--person-secret is for a call of its own", Exit.USAGE)
        enroll_tls(settings, wanted, force=force, as_json=as_json, dry_run=dry_run)
        return
    secret = _secret(gate, person_secret, force=force)
    try:
        key, made = _key(gate, dry_run=dry_run)
    except GateKeyError as error:
        raise failure(error, Exit.FAILED) from None
    except OSError as error:
        raise failure(f"{gate.data_dir / FILE} cannot be written ({error.strerror})", Exit.FAILED) from None
    if dry_run and (key is None or secret.comes):
        if key is None:
            say(f"A key would be made: {gate.data_dir / FILE}.")
        if secret.comes:
            say(f"{'Replaced' if secret.replaces else 'Installed'} would be: {gate.data_dir / SECRET_FILE}.")
        say("Nothing was done.")
        return
    assert key is not None
    if secret.comes:
        _install(gate, secret)
    facts = {
        "site": gate.site,
        "number": gate.number,
        "gate": gate.id,
        "key": key.public.hex(),
        "fingerprint": key.kid.hex(),
        "made": made,
        "person_secret": secret.held.fingerprint if secret.held else None,
        "command": _centre_command(gate, key),
    }
    if as_json:
        put_json(facts)
        return
    say(f"{'Made' if made else 'Here already'}: {gate.data_dir / FILE}")
    put_facts({name: str(facts[name] or "none") for name in ("key", "fingerprint", "person_secret")})
    if secret.held is None:
        say(_GATE_ALONE)
    say("Compare the fingerprint at the centre, by telephone or in person, and approve the key there:")
    put_facts({"command": str(facts["command"])})


def _key(gate: GateSection, *, dry_run: bool) -> tuple[GateKey | None, bool]:
    """The key, and whether it was made now; None where it would be."""
    try:
        return load_gate_key(gate.data_dir), False
    except NoGateKeyError:
        if dry_run:
            return None, False
    try:
        return make_gate_key(gate.data_dir), True
    except FileExistsError:  # another made it in this moment
        return load_gate_key(gate.data_dir), False


def _secret(gate: GateSection, source: Path | None, *, force: bool) -> _Secret:
    """What is here and what is to come; refuses what would replace another secret unasked."""
    try:
        brought = read_person_secret(source, site=gate.site, private=False) if source else None
    except PersonSecretError as error:
        raise failure(error, Exit.FAILED) from None
    try:
        held, broken = load_person_secret(gate.data_dir, gate.site), None
    except PersonSecretError as error:
        held, broken = None, error
    if brought is None:
        if broken is not None:
            raise failure(broken, Exit.FAILED)
        return _Secret(held)
    if held == brought:
        return _Secret(held)
    if held is None and broken is None:
        return _Secret(brought, comes=True)
    if not force:
        here = f"another person secret is here ({held.fingerprint})" if held else str(broken)
        raise failure(f"{here}. It was left as it is; --force replaces it. {_REPLACED}", Exit.UNSAFE)
    return _Secret(brought, comes=True, replaces=True)


def _install(gate: GateSection, secret: _Secret) -> None:
    assert secret.held is not None
    path = gate.data_dir / SECRET_FILE
    try:
        install_person_secret(gate.data_dir, secret.held, replace=secret.replaces)
    except FileExistsError:
        raise failure(
            f"{path}: another installed one in this moment. Look, then run it again", Exit.UNSAFE
        ) from None
    except OSError as error:
        raise failure(f"{path} cannot be written ({error.strerror})", Exit.FAILED) from None
    say(f"{'Replaced' if secret.replaces else 'Installed'}: {path}. Delete the file that it came in")
    if secret.replaces:
        say(_REPLACED)


def _centre_command(gate: GateSection, key: GateKey) -> str:
    words = ["postern-controller", "gate", "enroll", "--site", str(gate.site), "--number", str(gate.number)]
    words += ["--name", gate.id, "--key", key.public.hex(), "--secret-out", f"site-{gate.site}-walkin.secret"]
    return f"{shlex.join([*words, '--by'])} NAME"
