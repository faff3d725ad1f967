"""``postern-edge enroll``: make the gate's own key, once, and say how the centre approves it."""

import shlex

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
from edge.config import GateSection, load_config
from edge.gate_key import FILE, GateKey, GateKeyError, NoGateKeyError, load_gate_key, make_gate_key
from shell.settings import SettingsError


def enroll(
    *, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False, dry_run: DryRunOption = False
) -> None:
    """Make this gate's own key, so that guards can register visitors, and print what the centre needs to approve it.

    A key that is there already is printed and never replaced. Run it as the gate's own user, or as root.

    Example: postern-edge enroll --config gate.toml
    """
    try:
        gate = load_config(config).gate
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    try:
        key, made = _key(gate, dry_run=dry_run)
    except GateKeyError as error:
        raise failure(error, Exit.FAILED) from None
    except OSError as error:
        raise failure(f"{gate.data_dir / FILE} cannot be written ({error.strerror})", Exit.FAILED) from None
    if key is None:
        say(f"A key would be made: {gate.data_dir / FILE}. Nothing was done.")
        return
    facts = {
        "site": gate.site,
        "number": gate.number,
        "gate": gate.id,
        "key": key.public.hex(),
        "fingerprint": key.kid.hex(),
        "made": made,
        "command": _centre_command(gate, key),
    }
    if as_json:
        put_json(facts)
        return
    say(f"{'Made' if made else 'Here already'}: {gate.data_dir / FILE}")
    put_facts({name: str(facts[name]) for name in ("key", "fingerprint")})
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


def _centre_command(gate: GateSection, key: GateKey) -> str:
    words = ["postern-controller", "gate", "enroll", "--site", str(gate.site), "--number", str(gate.number)]
    words += ["--name", gate.id, "--key", key.public.hex(), "--by"]
    return f"{shlex.join(words)} NAME"
