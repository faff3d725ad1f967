"""One number, one person at every gate: the site's person secret at real gates, with the bundles of a real office."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.init import DemoPlan, create_demo
from controller.person_secrets import secret_path
from edge.cli import app
from edge.gate_key import FILE as KEY_FILE
from edge.gate_key import load_gate_key, make_gate_key
from edge.person_secret import FILE, RedKnown, install_person_secret, load_person_secret
from passes.bundle import Red, RedCause
from shell.clock import SystemClock
from shell.person_secret import PersonSecret, PersonSecretError, read_person_secret
from tests.gate_world import granted
from tests.minting import NOW_UNIX, SITE
from tests.real.test_walkin import OFFICE, PHONE, Post, made
from tests.ticking import HandClock

pytestmark = pytest.mark.real
SECRET = PersonSecret(SITE, bytes(range(32)))
OTHER = PersonSecret(SITE, bytes(32))
ANOTHER_PHONE = "+8613800138002"


def red(person: str) -> Red:
    return Red(bytes.fromhex(person), NOW_UNIX, RedCause.OVERSTAY)


class Pair:
    """Two enrolled gates of one site, south and north."""

    def __init__(self, folder: Path) -> None:
        clock = HandClock()
        self.posts = [made(folder / name, clock, number) for number, name in enumerate(("south", "north"))]
        for post in self.posts:
            make_gate_key(post.folder)
        self.hear()

    def hear(self, *reds: Red) -> None:
        """A bundle with both certificates and these RED persons reaches both gates."""
        granted_to = [
            OFFICE.certificate(load_gate_key(post.folder).public, gate=number)
            for number, post in enumerate(self.posts)
        ]
        for post in self.posts:
            post.take(*granted_to, red=reds)

    def install(self) -> None:
        for post in self.posts:
            install_person_secret(post.folder, SECRET, replace=False)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    for post in pair.posts:
        post.journal.close()


def person_at(post: Post, phone: str = PHONE) -> str:
    return post.issue(phone=phone).claims.person


# -- who is RED at one gate is RED at the other


def test_with_the_secret_one_number_is_one_person_at_both_gates(pair: Pair) -> None:
    pair.install()
    south, north = pair.posts
    assert person_at(south) == person_at(north) == SECRET.person(PHONE)
    assert person_at(south, ANOTHER_PHONE) == SECRET.person(ANOTHER_PHONE) != SECRET.person(PHONE)
    assert south.issue(phone=PHONE).red_known is RedKnown.SITE
    assert south.issue().red_known is None


def test_who_overstays_by_one_gate_gets_no_pass_at_the_other_until_it_is_settled(pair: Pair) -> None:
    pair.install()
    south, north = pair.posts
    pair.hear(red(person_at(south)))
    assert [post.refusal(phone=PHONE).code for post in pair.posts] == ["red", "red"]
    assert north.issue(phone=ANOTHER_PHONE).text
    pair.hear()
    assert all(granted(post.show(post.issue(phone=PHONE).text)) for post in pair.posts)


def test_a_new_gate_key_makes_nobody_another_person(pair: Pair) -> None:
    pair.install()
    south = pair.posts[0]
    before = person_at(south)
    (south.folder / KEY_FILE).unlink()
    make_gate_key(south.folder)
    pair.hear(red(before))
    assert south.refusal(phone=PHONE).code == "red"
    assert south.issue(phone=ANOTHER_PHONE).text


def test_who_was_red_here_before_the_secret_came_is_red_after(pair: Pair) -> None:
    south, north = pair.posts
    pair.hear(red(person_at(south)))
    pair.install()
    assert south.refusal(phone=PHONE).code == "red"
    assert north.issue(phone=PHONE).text  # which never knew him under that name


def test_who_is_inside_since_before_the_secret_came_gets_no_second_pass(pair: Pair) -> None:
    south = pair.posts[0]
    south.show(south.issue(phone=PHONE).text)
    south.walk()
    pair.install()
    assert south.refusal(phone=PHONE).code == "open_stay"


# -- without it, or with one that cannot be used


def test_without_the_secret_each_gate_has_its_own_names_and_says_that_red_is_known_here_alone(
    pair: Pair,
) -> None:
    south, north = pair.posts
    assert person_at(south) != person_at(north)
    assert south.issue(phone=PHONE).red_known is RedKnown.GATE
    assert south.issue().red_known is None


def test_a_secret_that_others_may_read_refuses_who_gives_a_number_and_nobody_else(pair: Pair) -> None:
    pair.install()
    south = pair.posts[0]
    (south.folder / FILE).chmod(0o640)
    refused = south.refusal(phone=PHONE)
    assert refused.code == "person_secret_unusable"
    assert "chmod 600" in refused.next_step and "人员密钥" in refused.problem
    assert south.issue().text
    (south.folder / FILE).chmod(0o600)
    assert south.issue(phone=PHONE).text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"00" * 32,
        b'{"v":1,"site":7,"secret":"00"}',
        b'{"v":2,"site":7,"secret":"%s"}' % (b"00" * 32),
        b'{"v":1,"site":"7","secret":"%s"}' % (b"00" * 32),
        b'{"v":1,"site":7,"secret":"%s","more":1}' % (b"00" * 32),
        SECRET.to_file() + b" " * 1024,
        b"\xff\xfe",
    ],
)
def test_a_broken_file_is_refused_by_name_and_its_text_is_not_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(PersonSecretError, match="is not a person secret") as refused:
        load_person_secret(tmp_path, SITE)
    assert str(path) in str(refused.value) and "00" * 32 not in str(refused.value)


def test_the_secret_of_another_site_is_refused(tmp_path: Path) -> None:
    install_person_secret(tmp_path, PersonSecret(8, bytes(32)), replace=False)
    with pytest.raises(PersonSecretError, match="site 8"):
        load_person_secret(tmp_path, SITE)
    assert SECRET.secret.hex() not in repr(SECRET)


# -- installing it


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    create_demo(DemoPlan(folder=tmp_path / "demo"), now=SystemClock().now())
    return tmp_path / "demo"


def enroll(demo: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["enroll", *map(str, arguments), "--config", str(demo / "gate.toml")])


def test_enroll_installs_the_secret_for_the_gates_user_alone_and_says_its_fingerprint(demo: Path) -> None:
    here, carried = demo / "south" / FILE, secret_path(demo / "keys", SITE)
    without = enroll(demo)
    assert without.exit_code == 0 and "--person-secret" in without.stderr
    assert json.loads(enroll(demo, "--json").stdout)["person_secret"] is None
    dry = enroll(demo, "--person-secret", carried, "--dry-run")
    assert (dry.exit_code, here.exists()) == (0, False) and "Nothing was done" in dry.stderr
    carried.chmod(0o644)  # as on a stick
    done = enroll(demo, "--person-secret", carried, "--json")
    assert done.exit_code == 0, done.stderr
    held = read_person_secret(here, site=SITE)
    assert json.loads(done.stdout)["person_secret"] == held.fingerprint
    assert stat.S_IMODE(here.stat().st_mode) == 0o600
    assert here.read_bytes() == carried.read_bytes()
    assert held.secret.hex() not in done.stdout + done.stderr
    again = enroll(demo, "--person-secret", carried)
    assert (again.exit_code, held.fingerprint in again.stdout) == (0, True)


def test_another_secret_replaces_only_by_force_and_what_follows_is_said(demo: Path, tmp_path: Path) -> None:
    install_person_secret(demo / "south", SECRET, replace=False)
    carried = tmp_path / "stick"
    carried.write_bytes(OTHER.to_file())
    refused = enroll(demo, "--person-secret", carried)
    assert refused.exit_code == 4
    assert "--force" in refused.stderr and "other persons" in refused.stderr
    assert load_person_secret(demo / "south", SITE) == SECRET
    assert not (demo / "south" / KEY_FILE).exists()
    done = enroll(demo, "--person-secret", carried, "--force")
    assert done.exit_code == 0 and "other persons" in done.stderr
    assert load_person_secret(demo / "south", SITE) == OTHER


def test_what_is_no_secret_installs_nothing(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "stick").write_bytes(b"no secret")
    for name, says in (("stick", "is not a person secret"), ("none", "no such file")):
        refused = enroll(demo, "--person-secret", tmp_path / name)
        assert refused.exit_code == 1 and says in refused.stderr
    assert not (demo / "south" / FILE).exists()


def test_a_broken_secret_is_replaced_by_force_alone(demo: Path) -> None:
    carried = secret_path(demo / "keys", SITE)
    (demo / "south").mkdir(exist_ok=True)
    (demo / "south" / FILE).write_text("broken")
    assert enroll(demo).exit_code == 1
    assert enroll(demo, "--person-secret", carried).exit_code == 4
    assert enroll(demo, "--person-secret", carried, "--force").exit_code == 0
    assert load_person_secret(demo / "south", SITE) == read_person_secret(carried, site=SITE)
