"""A folder that a whole demo site runs from: new keys, both configuration files, the directory of units.

Every secret is made here and now and belongs to this folder alone; a gate of any other site refuses its passes.
"""

import json
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from controller.issuer_keys import create_keys, key_set
from controller.people import PEPPER_BYTES
from controller.person_secrets import create_person_secret
from controller.site_keys import SIGNED_SUFFIX, create_site_keys, sign_key_set
from shell.files import write_secret

DEMO_SITE: Final = 7
KEYS_LIVE: Final = timedelta(days=400)
KEYS_EARLY: Final = timedelta(hours=1)  # so that a gate whose clock is a little slow takes them at once
PEPPER_FILE: Final = "pepper"
TOKEN_FILE: Final = "api.token"  # noqa: S105  # the name of a file


class FolderExistsError(Exception):
    """The folder is there already, and nothing in it was touched."""

    def __init__(self, folder: Path, remedy: str) -> None:
        super().__init__(f"{folder} exists already and was left as it is. {remedy}")
        self.folder = folder


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What a demo folder is made with."""

    folder: Path
    couriers_minutes: int = 1
    web_port: int = 8080
    kiosk_port: int = 8081
    broker_port: int = 18830
    camera_port: int = 8090
    sms_port: int = 8025


def create_demo(plan: DemoPlan, *, now: datetime, force: bool = False) -> None:
    """Write the whole folder.

    Args:
        plan: Where, and with which ports.
        now: When the keys begin to be valid.
        force: Replace an earlier demo folder with everything in it.

    Raises:
        FolderExistsError: There is something already, and ``force`` is off or it is no demo folder.
    """
    _clear(plan.folder, force=force)
    keys_dir = plan.folder / "keys"
    keys_dir.mkdir(parents=True, mode=0o700)
    (plan.folder / "dev").mkdir()
    keys = create_keys(keys_dir, DEMO_SITE)
    write_secret(keys_dir / PEPPER_FILE, secrets.token_hex(PEPPER_BYTES).encode())
    write_secret(keys_dir / TOKEN_FILE, secrets.token_urlsafe(32).encode())
    create_person_secret(keys_dir, DEMO_SITE, secrets.token_bytes)
    *others, root = create_site_keys(keys_dir, DEMO_SITE)
    live = {"not_before": now - KEYS_EARLY, "not_after": now + KEYS_LIVE}
    published = key_set(keys.values(), site=DEMO_SITE, seq=1, **live)
    published.keys.extend(key.entry(**live) for key in (*others, root))
    files = {
        "keyset.json": published.model_dump_json(indent=1) + "\n",
        "units.json": json.dumps({"v": 1, "units": demo_units()}, indent=1) + "\n",
        "centre.toml": centre_toml(plan),
        "gate.toml": gate_toml(plan),
    }
    for name, text in files.items():
        (plan.folder / name).write_text(text, encoding="utf-8")
    (plan.folder / "keyset.json").with_suffix(SIGNED_SUFFIX).write_bytes(sign_key_set(published, root))


def demo_units() -> dict[str, str]:
    """Forty units in two buildings: number in the pass, and what is written on the door."""
    doors = [
        f"{building}-{floor}{flat:02}"
        for building in (3, 5)
        for floor in range(11, 16)
        for flat in range(1, 5)
    ]
    return {str(number): door for number, door in enumerate(doors, start=7)}


def next_steps(plan: DemoPlan) -> str:
    """What to run now; the same text however often it is asked for."""
    folder = plan.folder
    return (
        f"The demo site is in {folder}. Run next, each in a terminal of its own:\n"
        f"  postern-controller run --config {folder / 'centre.toml'}   (page: http://localhost:{plan.web_port})\n"
        f"  postern-edge run --config {folder / 'gate.toml'}           (page: http://localhost:{plan.kiosk_port})"
    )


def _clear(folder: Path, *, force: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not force:
        raise FolderExistsError(folder, "Choose another --dir, or replace it, data and keys, with --force")
    if folder.is_symlink() or not (folder / "centre.toml").is_file():
        raise FolderExistsError(
            folder, "It is no demo folder (no centre.toml), so --force does not remove it"
        )
    shutil.rmtree(folder)


def centre_toml(plan: DemoPlan) -> str:
    """The centre's configuration."""
    return f"""\
# The centre of the demo site. Paths are relative to this file.
[centre]
name = "阳光花园 Sunny Garden"
zone = "Asia/Shanghai"
data_dir = "centre"                 # the broker's files; the database by default
database = "sqlite:///centre/centre.db"
keys_dir = "keys"                   # private issuer keys, readable by the owner alone
api_token_file = "keys/{TOKEN_FILE}"

[broker]
url = "auto"                        # or mqtts://host:port
port = {plan.broker_port}                        # of the embedded child, loopback only

[web]
host = "127.0.0.1"
port = {plan.web_port}

[sms]
url = "http://127.0.0.1:{plan.sms_port}/api/send"
sign = "阳光物业"
supervisors = ["+8613800138000"]

[[site]]
id = {DEMO_SITE}
name = "阳光花园"
static_needs_guard = false          # the demo has no guard who confirms printed passes

[site.stay]                         # minutes, or a local time "HH:MM"
food = {plan.couriers_minutes}
courier = {plan.couriers_minutes}
renovation = "20:00"
service = 240
other = 240
invited = 360

[site.gates]                        # what a gate is called in an SMS
south = "南门"
"""


def gate_toml(plan: DemoPlan) -> str:
    """The configuration of the demo's one gate."""
    return f"""\
# The south gate of the demo site. Paths are relative to this file.
[gate]
id = "south"
site = {DEMO_SITE}
number = 0                          # this gate's bit in a pass
name = "南门 South gate"
site_name = "阳光花园"
zone = "Asia/Shanghai"
data_dir = "south"                  # the journal lives here
keys = "keyset.json"
units = "units.json"

[broker]
url = "mqtt://127.0.0.1:{plan.broker_port}"

[kiosk]
host = "127.0.0.1"
port = {plan.kiosk_port}

[policy]
static_needs_guard = false          # the demo has no guard who confirms printed passes

[[board]]
name = "relays"
protocol = "lcus"
port = "dev/relays"

[[board]]
name = "inputs"
protocol = "modbus-inputs"
port = "dev/inputs"
unit = 1

[[lane]]
name = "entry"
direction = "entry"
camera = "http://127.0.0.1:{plan.camera_port}/entry.mjpg"
board = "relays"
channel = 1
pulse_ms = 300                      # 100 to 2000
passage = "contact"                 # contact or assumed
contact = {{ board = "inputs", channel = 1 }}
passage_wait_s = 5
release = "pulse_to_open"           # wiring fact: pulse_to_open or energise_to_lock
on_power_loss = "locked"            # wiring fact: open, locked or as_is

[[lane]]
name = "exit"
direction = "exit"
camera = "http://127.0.0.1:{plan.camera_port}/exit.mjpg"
board = "relays"
channel = 2
pulse_ms = 300
passage = "contact"
contact = {{ board = "inputs", channel = 2 }}
passage_wait_s = 5
release = "pulse_to_open"
on_power_loss = "open"              # nobody is ever locked in
"""
