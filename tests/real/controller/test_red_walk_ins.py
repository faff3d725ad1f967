"""RED follows a phone number from the centre to every gate and back: real databases, journals, bundles and gates."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from controller import aliases, schema
from controller.aliases import fill, names_of
from controller.issuer_keys import IssuerKeyError, load_key_set
from controller.issuing import StandingError
from controller.overstay import OverstayMonitor
from controller.person_secrets import PersonSecrets, load_person_secret, secret_path
from edge.bundles import BundleKeeper
from edge.gate_key import load_gate_key, make_gate_key
from edge.person_secret import install_person_secret
from passes.vocabulary import Category
from shell.person_secret import PersonSecret
from sync.received import read_batch
from sync.topics import parse_up, up
from tests.gate_world import granted
from tests.minting import NOW
from tests.real.controller.centre import SITE, Journal
from tests.real.controller.demo import Demo, order
from tests.real.controller.serving import Served, served_at
from tests.real.test_walkin import Post
from tests.ticking import HandClock

pytestmark = pytest.mark.real
PHONE, ANOTHER = "+8613800138001", "+8613800138002"
WHO = ("--by", "王芳")


class Town:
    """A centre and two gates of its site; each gate has the centre's secret unless told otherwise."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served, self.demo, self.clock = served, served.demo, HandClock()
        self.demo.centre.clock.time = NOW
        self.anchor = load_key_set(served.folder / "keyset.json", SITE)
        self.secret = self.demo.person_secrets.of(SITE)
        assert self.secret is not None
        self.gates = [self.gate(folder / name, number) for number, name in enumerate(("south", "north"))]
        self.hear()

    def gate(self, folder: Path, number: int) -> Post:
        post = Post(folder, self.clock, number=number)
        post.start()
        key = make_gate_key(folder).public.hex()
        named = ("--number", str(number), "--name", folder.name, "--key", key, "--yes")
        done = self.served.run("gate", "enroll", *named, *WHO)
        assert done.exit_code == 0, done.stderr
        assert self.secret is not None
        install_person_secret(folder, self.secret, replace=False)
        post.keeper = BundleKeeper(
            folder, self.anchor, clock=self.clock, raise_floor=lambda _: None, report=lambda _: None
        )
        return post

    def hear(self) -> None:
        """The centre publishes, and both gates take it over."""
        self.served.publisher.look()
        for post in self.gates:
            assert post.keeper.offer(self.served.sent[-1]) is None
            post.gate.use_keys(post.keeper.keys)

    def tell(self, post: Post) -> None:
        """All rows of this gate reach the centre."""
        rows = [json.loads(body) for _, body in post.journal.rows_after(0, 100, 1 << 20)]
        name = post.folder.name
        batch = {"v": 1, "gate": name, "site": SITE, "epoch": "e" * 16}
        payload = json.dumps({**batch, "first": 1, "last": len(rows), "events": rows}).encode()
        topic = parse_up(up(SITE, name, "ev"))
        assert topic is not None
        assert self.demo.centre.receive(read_batch(topic, payload)) == len(rows)

    def wait(self, minutes: float) -> None:
        self.clock.advance(minutes * 60)
        self.demo.centre.clock.pass_by(minutes * 60)

    def watch(self) -> None:
        """The centre looks who is over his time, and raises it."""
        config, centre = self.demo.config, self.demo.centre
        zone, sites = config.zone, config.sites
        monitor = OverstayMonitor(store=centre.store, clock=centre.clock, zone=zone, sites=sites, sms=None)
        assert monitor.tick() == 1

    def overstay(self, person: str, pass_id: str) -> None:
        """Somebody entered with a pass of the centre's, and has not left when his time is over."""
        now, journal = self.demo.centre.clock.now(), Journal("west")
        journal.passage("entry", now, person=person, pass_id=pass_id, due=now + timedelta(minutes=1))
        self.demo.centre.receive(journal.sent())
        self.wait(2)
        self.watch()

    def settle(self) -> None:
        with self.demo.centre.store.transaction() as connection:
            settled = connection.execute(schema.incident.update().values(state="settled"))
            assert settled.rowcount == 1

    def red_keys(self) -> set[str]:
        assert self.gates[0].keeper.bundle is not None
        return {red.key.hex() for red in self.gates[0].keeper.bundle.red}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        yield made


@pytest.fixture
def demo(served: Served) -> Demo:
    return served.demo


@pytest.fixture
def town(served: Served, tmp_path: Path) -> Iterator[Town]:
    town = Town(served, tmp_path)
    yield town
    for post in town.gates:
        post.journal.close()


# -- from the centre to the gates


def test_who_is_red_at_the_centre_is_red_as_a_walk_in_at_both_gates_until_it_is_settled(town: Town) -> None:
    issued = town.demo.issuer.issue(order(phone=PHONE)).claims
    town.overstay(issued.person, issued.pass_id)
    town.hear()
    assert [post.refusal(phone=PHONE).code for post in town.gates] == ["red", "red"]
    assert all(granted(post.show(post.issue(phone=ANOTHER).text)) for post in town.gates)
    town.settle()
    town.hear()
    assert town.red_keys() == set()
    assert all(post.issue(phone=PHONE).text for post in town.gates)
    assert town.demo.issuer.issue(order(phone=PHONE)).claims.person == issued.person


# -- from a gate to the centre and the other gate


def test_who_overstays_as_a_walk_in_is_red_at_the_other_gate_and_at_the_centre_until_it_is_settled(
    town: Town,
) -> None:
    south, north = town.gates
    known = town.demo.issuer.issue(order(phone=PHONE)).claims.person
    walked = south.issue(phone=PHONE)
    south.show(walked.text)
    south.walk()
    town.wait(31)
    town.tell(south)
    town.hear()
    assert town.red_keys() == {known, walked.claims.person}
    town.watch()
    town.hear()
    assert town.red_keys() == {known, walked.claims.person}
    assert north.refusal(phone=PHONE).code == "red"
    with pytest.raises(StandingError, match="RED"):
        town.demo.issuer.issue(order(phone=PHONE))
    assert town.demo.issuer.issue(order(phone=ANOTHER)).claims.person != known
    assert town.demo.issuer.issue(order(Category.RESIDENT, phone=PHONE)).claims.person == known
    town.settle()
    town.hear()
    assert town.red_keys() == set()
    assert town.demo.issuer.issue(order(phone=PHONE)).claims.person == known
    assert north.issue(phone=PHONE).text


def test_a_red_walk_in_whose_number_the_centre_never_saw_gets_no_pass_there(town: Town) -> None:
    south = town.gates[0]
    south.show(south.issue(phone=PHONE).text)
    south.walk()
    town.wait(31)
    town.tell(south)
    with pytest.raises(StandingError, match="RED"):
        town.demo.issuer.issue(order(phone=PHONE))
    assert town.demo.centre.rows(schema.phone) == []  # who is refused is not remembered
    assert town.demo.issuer.issue(order(phone=ANOTHER)).claims.pass_id


def test_the_number_is_nowhere_in_what_the_gate_keeps_and_sends(town: Town) -> None:
    south = town.gates[0]
    south.issue(phone=PHONE)
    south.journal.close()
    kept = b"".join(path.read_bytes() for path in south.folder.rglob("*") if path.is_file())
    assert b"8001" in kept and b"3800138001" not in kept
    south.start()


# -- the names at the centre


def test_everybody_whose_number_is_known_has_a_walk_in_name_by_the_secret(demo: Demo) -> None:
    secret = demo.person_secrets.of(SITE)
    assert secret is not None
    for _ in range(2):
        made = demo.issuer.issue(order(phone=PHONE)).claims.person
    names = demo.centre.rows(schema.alias, "site", "person", "secret", "alias")
    assert names == [(SITE, made, secret.fingerprint, secret.person(PHONE))]


def test_people_from_before_there_was_a_secret_get_their_names_at_the_start(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aliases, "FILL_MAX", 2)
    phones = [f"+861380013800{digit}" for digit in range(5)]
    people = {phone: demo.issuer.issue(order(phone=phone)).claims.person for phone in phones}
    with demo.centre.store.transaction() as connection:
        connection.execute(schema.alias.delete())
    again = secrets_of(demo)
    secret = again.of(SITE)
    assert secret is not None
    found = dict(demo.centre.rows(schema.alias, "person", "alias"))
    assert found == {person: secret.person(phone) for phone, person in people.items()}
    assert fill(demo.centre.store, SITE, secret) == 0


def test_after_another_secret_who_is_red_under_an_old_name_is_red_under_all(town: Town) -> None:
    old = town.secret
    assert old is not None
    issued = town.demo.issuer.issue(order(phone=PHONE)).claims
    town.overstay(old.person(PHONE), "77" * 8)
    secret_path(town.demo.config.keys_dir, SITE).unlink()
    new, made = secrets_of(town.demo).demand(SITE, by="王芳")
    assert made and new != old
    town.hear()
    assert town.red_keys() == {issued.person, old.person(PHONE), new.person(PHONE)}
    with pytest.raises(StandingError):
        town.demo.issuer.issue(order(phone=PHONE))


def test_the_work_is_that_of_who_is_red_and_not_of_all_persons(demo: Demo) -> None:
    many = [f"{number:016x}" for number in range(2_000)]
    rows = [{"site": SITE, "person": one, "secret": "0" * 8, "alias": one[::-1]} for one in many]
    said: list[str] = []
    with demo.centre.store.transaction() as connection:
        connection.execute(schema.alias.insert(), rows)

        @event.listens_for(connection, "before_cursor_execute")
        def _hear(*call: object) -> None:
            said.append(str(call[2]))

        found = names_of(connection, SITE, {many[7], "aa" * 8})
        asked = len(said)
        for statement in said[:asked]:
            plan = connection.exec_driver_sql(f"explain query plan {statement}", (SITE, "a", "b")).all()
            assert all(step[3].startswith("SEARCH alias USING") for step in plan), plan
            assert all("site=? AND" in step[3] for step in plan), plan
    assert found == {many[7]: {many[7], many[7][::-1]}, "aa" * 8: {"aa" * 8}}
    assert asked == 2


def secrets_of(demo: Demo) -> PersonSecrets:
    """As a centre that starts on this folder has them."""
    return PersonSecrets(
        demo.config.keys_dir, demo.config.sites, demo.centre.store, demo.centre.clock, lambda n: b"\x05" * n
    )


# -- the secret itself


def test_init_makes_a_secret_for_its_owner_alone_and_others_reading_it_stops_the_start(demo: Demo) -> None:
    path = secret_path(demo.config.keys_dir, SITE)
    assert path.stat().st_mode & 0o777 == 0o600
    held = load_person_secret(demo.config.keys_dir, SITE)
    assert held is not None and held.secret not in (demo.config.keys_dir / "pepper").read_bytes()
    path.chmod(0o640)
    with pytest.raises(IssuerKeyError, match="chmod 600"):
        secrets_of(demo)
    path.chmod(0o600)
    assert secrets_of(demo).of(SITE) == held


def test_of_many_that_ask_at_once_one_makes_the_secret(demo: Demo) -> None:
    secret_path(demo.config.keys_dir, SITE).unlink()
    secrets = secrets_of(demo)
    found: list[tuple[PersonSecret, bool]] = []
    threads = [
        threading.Thread(target=lambda: found.append(secrets.demand(SITE, by="王芳"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made for _, made in found) == [False, False, False, True]
    assert {one for one, _ in found} == {load_person_secret(demo.config.keys_dir, SITE)}
    assert demo.centre.rows(schema.audit, "actor", "action") == [("王芳", "person_secret_made")]


def test_the_first_gate_that_is_enrolled_brings_the_secret_and_takes_it_along(
    served: Served, tmp_path: Path
) -> None:
    config, out = served.demo.config, tmp_path / "stick"
    secret_path(config.keys_dir, SITE).unlink()
    served.demo.person_secrets._held[SITE] = None
    person = served.demo.issuer.issue(order(phone=PHONE)).claims.person
    key = make_gate_key(tmp_path / "south").public.hex()
    asked = ("gate", "enroll", "--number", "0", "--name", "south", "--key", key, *WHO)
    done = served.run(*asked, "--secret-out", str(out), "--json")
    assert done.exit_code == 0, done.stderr
    held = load_person_secret(config.keys_dir, SITE)
    assert held is not None
    said = json.loads(done.stdout[done.stdout.index("{") :])  # behind what this process logs as the centre
    assert (said["enrolled"], said["person_secret"]) == (True, held.fingerprint)
    assert out.read_bytes() == held.to_file() and out.stat().st_mode & 0o777 == 0o600
    assert held.secret.hex() not in done.stdout + done.stderr
    assert served.demo.centre.rows(schema.alias, "person", "alias") == [(person, held.person(PHONE))]
    without = served.run(*asked, "--json")
    assert json.loads(without.stdout)["person_secret"] is None
    assert "gate secret --out" in without.stderr
    assert load_gate_key(tmp_path / "south").public.hex() == key


def test_gate_secret_writes_it_once_says_its_fingerprint_and_replaces_nothing(
    served: Served, tmp_path: Path
) -> None:
    out, held = tmp_path / "stick", load_person_secret(served.demo.config.keys_dir, SITE)
    assert held is not None
    dry = served.run("gate", "secret", "--out", str(out), "--dry-run")
    assert (dry.exit_code, out.exists()) == (0, False) and "Nothing was done" in dry.stderr
    assert served.run("gate", "secret", "--out", str(out)).exit_code == 2  # who takes it
    for _ in range(2):
        done = served.run("gate", "secret", "--out", str(out), *WHO, "--json")
        said = {"site": SITE, "person_secret": held.fingerprint, "made": False, "out": str(out)}
        assert json.loads(done.stdout) == said, done.stderr
    assert out.read_bytes() == held.to_file()
    out.write_bytes(b"something else")
    refused = served.run("gate", "secret", "--out", str(out), *WHO)
    assert (refused.exit_code, out.read_bytes()) == (4, b"something else")
    nowhere = served.run("gate", "secret", "--out", str(tmp_path / "none" / "file"), *WHO)
    assert nowhere.exit_code == 1 and "cannot be written" in nowhere.stderr


def test_the_interface_tells_the_fingerprint_to_whoever_has_the_token_and_never_the_secret(
    served: Served,
) -> None:
    assert served.post(f"/sites/{SITE}/person-secret", {"by": "王芳"}) == 200
    assert served.post(f"/sites/{SITE}/person-secret", {"by": "王芳"}, token="x" * 43) == 401
    assert served.post("/sites/9/person-secret", {"by": "王芳"}) == 404


def test_where_no_file_can_be_written_there_is_no_secret_and_the_answer_says_so(served: Served) -> None:
    keys_dir = served.demo.config.keys_dir
    secret_path(keys_dir, SITE).unlink()
    served.demo.person_secrets._held[SITE] = None
    secret_path(keys_dir, SITE).mkdir()
    assert served.post(f"/sites/{SITE}/person-secret", {"by": "王芳"}) == 500
    assert served.demo.person_secrets.of(SITE) is None
    assert served.demo.centre.rows(schema.audit) == []
