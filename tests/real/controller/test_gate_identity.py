"""A gate comes in to the broker: by a code over a real socket, or by files; and nobody else does."""

import http.server
import json
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from typer.testing import CliRunner, Result

from controller import schema
from controller.certificates import GateCa, read_request
from controller.gate_registry import SIGNS, CodeRefusedError, GateIdentityError, GateRegistry
from edge.cli import app as edge_app
from edge.identity import IdentityWatch, make_request, tls_files
from passes.vocabulary import ClockTrust
from shell.clock import SystemClock
from sync.messages import DeviceData
from sync.tls import TlsFiles
from tests.real.controller.centre import NOON, SITE, SetClock
from tests.real.controller.serving import BROKER_URL, Served, served_at

pytestmark = pytest.mark.real
WHO = ("--by", "王芳")
WHY = (*WHO, "--reason", "box stolen")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_at(tmp_path / "demo") as made:
        made.demo.centre.clock.pass_by((SystemClock().now() - NOON).total_seconds())
        yield made


@pytest.fixture
def box(served: Served) -> Path:
    return served.folder / "gate.toml"


def another_box(served: Served, name: str, gate: str = "south") -> Path:
    """A second box: the same file, another disk."""
    toml = served.folder / f"{name}.toml"
    text = (served.folder / "gate.toml").read_text("utf-8")
    text = text.replace('data_dir = "south"', f'data_dir = "{name}"').replace(
        'id = "south"', f'id = "{gate}"'
    )
    toml.write_text(text, "utf-8")
    return toml


def data_of(box: Path) -> Path:
    return box.parent / ("south" if box.stem == "gate" else box.stem)


def edge(box: Path, *arguments: str) -> Result:
    return CliRunner().invoke(edge_app, ["enroll", *arguments, "--config", str(box)])


def code_for(served: Served, *more: str, gate: str = "south") -> str:
    made = served.run("gate", "enroll", "--name", gate, *WHO, *more, "--json")
    assert made.exit_code == 0, made.stderr
    return str(json.loads(made.stdout)["code"])


def comes_in(served: Served, box: Path, code: str) -> Result:
    return edge(box, "--centre", served.url, "--code", code, "--json")


def held(box: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(tls_files(data_of(box)).certificate.read_bytes())


def states(served: Served) -> list[tuple[str, str]]:
    listed = json.loads(served.run("gate", "identities", "--json").stdout)
    return [(row["gate"], row["state"]) for row in listed["gates"]]


def deeds(served: Served) -> list[str]:
    return [action for (action,) in served.demo.centre.rows(schema.audit, "action")]


def csr_of(key: Any, name: str) -> str:
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else [])
    signed = x509.CertificateSigningRequestBuilder().subject_name(named).sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def post(served: Served, path: str, body: dict[str, Any], token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.post(
        f"{served.url.rstrip('/')}{path}", json=body, headers=headers, trust_env=False, verify=False
    ).status_code


def test_a_gate_comes_in_by_a_code_with_a_key_that_never_leaves_it(served: Served, box: Path) -> None:
    code = code_for(served)
    assert not served.registry.known(SITE, "south")
    done = comes_in(served, box, code)
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["broker_url"], said["configured"]) == (BROKER_URL, False)
    files = tls_files(data_of(box))
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    certificate = held(box)
    assert [name.value for name in certificate.subject] == ["south"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=365)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca.read_bytes()))
    assert served.registry.known(SITE, "south")
    assert not served.registry.known(SITE, "north") and not served.registry.known(8, "south")
    assert states(served) == [("south", "valid")]
    assert deeds(served) == ["gate_code_made", "gate_certified_tls"]
    secret = files.key.read_text().splitlines()[1]
    everything = served.demo.config.database_path.read_bytes() + done.output.encode()
    assert secret.encode() not in everything and code.encode() not in everything


def test_a_code_is_good_once_for_one_box_which_may_ask_again(served: Served, box: Path) -> None:
    code = code_for(served)
    assert comes_in(served, box, code).exit_code == 0
    first = held(box).serial_number
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert comes_in(served, box, typed).exit_code == 0  # the answer was lost on its way
    assert held(box).serial_number == first
    refused = comes_in(served, another_box(served, "second"), code)
    assert (refused.exit_code, "Ask for a new one" in refused.stderr) == (1, True)
    assert not tls_files(served.folder / "second").certificate.exists()


def test_a_code_ends_after_a_day_with_the_next_code_and_at_another_gate(served: Served, box: Path) -> None:
    old = code_for(served)
    newer = code_for(served)
    west = code_for(served, gate="west")
    assert [comes_in(served, box, code).exit_code for code in (old, west)] == [1, 1]
    served.demo.centre.clock.pass_by(24 * 3600)
    assert comes_in(served, box, newer).exit_code == 1
    fresh = code_for(served)
    served.demo.centre.clock.pass_by(24 * 3600 - 1)
    assert comes_in(served, box, fresh).exit_code == 0
    assert len(fresh.replace("-", "")) * 5 >= 60 and set(fresh) <= {*SIGNS, "-"}


def test_whoever_guesses_has_to_wait_and_the_right_code_with_him(served: Served, box: Path) -> None:
    code = code_for(served)
    body = {"site": SITE, "gate": "south", "csr": make_request(data_of(box), "south")}
    answers = [post(served, "/enroll/gate", body, "AAAA-AAAA-AAAA") for _ in range(25)]
    assert answers == [403] * 20 + [429] * 5
    assert post(served, "/enroll/gate", body, code) == 429
    served.demo.centre.clock.pass_by(61)
    assert post(served, "/enroll/gate", body, code) == 201


ODD: list[str] = ["+", "#", "a/b", "%u", "South", "-x", "x" * 33, "", "all", "site-7", "centre-1"]


def test_m7_a_name_that_means_something_to_a_broker_is_refused(served: Served) -> None:
    token = served.demo.config.api_token_file
    assert token is not None
    bearer, key = token.read_text().strip(), ec.generate_private_key(ec.SECP256R1())
    where = f"/api/v1/sites/{SITE}"
    for name in ODD:
        csr = csr_of(key, name or "x")
        assert post(served, f"{where}/gate-codes", {"gate": name, "by": "x"}, bearer) == 422, name
        assert post(served, f"{where}/gate-identities", {"gate": name, "csr": csr, "by": "x"}, bearer) == 422
        assert post(served, "/enroll/gate", {"site": SITE, "gate": name, "csr": csr}, "x") in {403, 422}
        assert (
            post(served, f"{where}/gate-identities", {"gate": "west", "csr": csr, "by": "x"}, bearer) == 409
        )
    assert states(served) == []


def test_what_is_no_request_of_a_gate_is_signed_for_nobody(served: Served) -> None:
    good = csr_of(ec.generate_private_key(ec.SECP256R1()), "west")
    lines = good.splitlines()
    forged = "\n".join(
        [lines[0], lines[1][:40] + ("A" if lines[1][40] != "A" else "B") + lines[1][41:], *lines[2:]]
    )
    wrong = [
        csr_of(ec.generate_private_key(ec.SECP384R1()), "west"),
        csr_of(rsa.generate_private_key(65537, 2048), "west"),
        forged,
        "nonsense",
        "证书",
    ]
    token = served.demo.config.api_token_file
    assert token is not None
    bearer, where = token.read_text().strip(), f"/api/v1/sites/{SITE}/gate-identities"
    for csr in wrong:
        assert post(served, where, {"gate": "west", "csr": csr, "by": "x"}, bearer) == 422, csr
    assert post(served, where, {"gate": "west", "csr": good, "by": "x"}, "x" * 43) == 401
    assert states(served) == []
    assert post(served, where, {"gate": "west", "csr": good, "by": "x"}, bearer) == 201


def test_a_gate_without_a_way_to_the_pages_comes_in_by_files(served: Served, box: Path) -> None:
    csr, answer = served.folder / "south.csr", served.folder / "south.identity"
    wrote = edge(box, "--csr-out", str(csr), "--json")
    assert wrote.exit_code == 0, wrote.stderr
    assert "PRIVATE" not in csr.read_text()
    signed = served.run("gate", "enroll", "--name", "south", "--csr", str(csr), "--out", str(answer), *WHO)
    assert signed.exit_code == 0, signed.stderr
    assert edge(box, "--certificate", str(answer)).exit_code == 0
    assert served.registry.known(SITE, "south")
    other = another_box(served, "north", gate="north")
    assert edge(other, "--csr-out", str(served.folder / "n.csr")).exit_code == 0
    for wrong in (answer, csr, served.folder / "nothing"):
        assert edge(other, "--certificate", str(wrong)).exit_code == 1
    assert not tls_files(served.folder / "north").certificate.exists()


def test_k2_new_hardware_comes_in_when_the_operator_says_so_and_the_old_box_is_out(
    served: Served, box: Path
) -> None:
    assert comes_in(served, box, code_for(served)).exit_code == 0
    unasked = served.run("gate", "enroll", "--name", "south", *WHO)
    assert (unasked.exit_code, "--replace" in unasked.stderr) == (1, True)
    code = code_for(served, "--replace")
    assert states(served) == [("south", "valid")]  # until the new box is there, the old one works
    new = another_box(served, "spare")
    assert comes_in(served, new, code).exit_code == 0
    assert sorted(states(served)) == [("south", "revoked"), ("south", "valid")]
    (living,) = [one for one in served.registry.all() if one.revoked_at is None]
    assert int(living.serial, 16) == held(new).serial_number
    assert served.registry.known(SITE, "south")
    assert edge(box, "--renew").exit_code == 1


def test_k14_a_box_that_was_reset_or_shut_out_needs_the_operator(served: Served, box: Path) -> None:
    assert comes_in(served, box, code_for(served)).exit_code == 0
    files = tls_files(data_of(box))
    files.key.unlink()
    assert edge(box, "--renew").exit_code == 1  # a key that the centre never saw
    assert comes_in(served, box, "AAAA-AAAA-AAAA").exit_code == 1
    assert served.run("gate", "revoke", "south", *WHY).exit_code == 0
    assert not served.registry.known(SITE, "south")
    assert states(served) == [("south", "revoked")]
    assert comes_in(served, box, code_for(served)).exit_code == 0
    assert served.registry.known(SITE, "south")


def test_one_id_is_one_gate_over_all_sites(served: Served, box: Path) -> None:
    assert comes_in(served, box, code_for(served)).exit_code == 0
    registry = GateRegistry(
        served.demo.centre.store,
        served.demo.centre.clock,
        keys_dir=served.demo.config.keys_dir,
        sites={SITE: None, 8: None},
        strict=True,
    )
    with pytest.raises(Exception, match="gate of site 7"):
        registry.new_code(8, "south", replace=True, by="x", random_bytes=bytes)
    loose = GateRegistry(
        served.demo.centre.store,
        served.demo.centre.clock,
        keys_dir=served.demo.config.keys_dir,
        sites={SITE: None},
        strict=False,
    )
    assert [loose.known(SITE, "anybody"), loose.known(8, "south")] == [True, False]
    assert [registry.known(SITE, "anybody"), registry.known(SITE, "south")] == [False, True]


def test_an_id_that_came_in_at_another_site_meanwhile_comes_in_by_no_earlier_code(served: Served) -> None:
    store, clock = served.demo.centre.store, served.demo.centre.clock
    sites = {SITE: None, 8: None}
    registry = GateRegistry(store, clock, keys_dir=served.demo.config.keys_dir, sites=sites, strict=True)
    here, there = (read_request(csr_of(ec.generate_private_key(ec.SECP256R1()), "south")) for _ in sites)
    code = registry.new_code(SITE, "south", replace=False, by="x", random_bytes=bytes)
    with store.transaction() as connection:
        (row,) = connection.execute(select(schema.gate_code)).mappings().all()
    registry.certify(8, "south", there, replace=False, by="x")
    with pytest.raises(CodeRefusedError):
        registry.redeem(SITE, "south", code.text, here)
    with store.transaction() as connection:  # as an older centre left it
        connection.execute(schema.gate_code.insert().values(**row))
    with pytest.raises(GateIdentityError, match="gate of site 8"):
        registry.redeem(SITE, "south", code.text, here)
    assert [(one.site, one.gate) for one in registry.all()] == [(8, "south")]
    registry.revoke(8, "south", by="x", reason="moved")
    registry.redeem(SITE, "south", code.text, here)
    assert (registry.known(SITE, "south"), registry.known(8, "south")) == (True, False)


def test_a_renewal_is_early_enough_and_not_too_early_and_wants_the_same_key(
    served: Served, box: Path
) -> None:
    assert comes_in(served, box, code_for(served)).exit_code == 0
    first = held(box)
    assert edge(box, "--renew").exit_code == 0
    assert held(box) == first
    served.demo.centre.clock.pass_by(timedelta(days=190).total_seconds())
    assert edge(box, "--renew").exit_code == 0
    second = held(box)
    assert second.not_valid_after_utc - first.not_valid_after_utc == timedelta(days=190)
    assert second.public_key() == first.public_key()
    assert states(served) == [("south", "valid")] * 2
    served.demo.centre.clock.pass_by(timedelta(days=400).total_seconds())
    late = edge(box, "--renew")
    assert (late.exit_code, "code" in late.stderr) == (1, True)


def test_while_the_centre_doubts_its_clock_it_signs_nothing(served: Served, box: Path) -> None:
    code = code_for(served)
    served.demo.centre.clock.trusted = ClockTrust.UNTRUSTED
    assert comes_in(served, box, code).exit_code == 1
    served.demo.centre.clock.trusted = ClockTrust.TRUSTED
    assert comes_in(served, box, code).exit_code == 0


class Portal(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b"<html>Please log in</html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def portal(status: int) -> Iterator[str]:
    kind = type("Portal", (Portal,), {"status": status})
    with http.server.HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_net6_a_portals_page_is_no_certificate(served: Served, box: Path) -> None:
    for status in (200, 201, 302, 404, 500):
        with portal(status) as url:
            done = edge(box, "--centre", url, "--code", "AAAA-AAAA-AAAA")
        assert (done.exit_code, "no centre" in done.stderr) == (3, True), done.stderr
    assert not tls_files(data_of(box)).certificate.exists()


class Front(http.server.BaseHTTPRequestHandler):
    """What stands before the centre's pages and speaks TLS: hands each request on."""

    behind = ""
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(self.path)
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        got = httpx2.post(f"{self.behind}{self.path}", content=body, headers=headers, trust_env=False)
        self.send_response(got.status_code)
        self.end_headers()
        self.wfile.write(got.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def https_before(served: Served, folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    ca = GateCa(folder, SystemClock().now())  # a house's own authority for its pages
    files = TlsFiles(ca=ca.path, certificate=folder / "web.crt", key=folder / "web.pem")
    ca.keep_server(files, ["localhost"], SystemClock().now())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    kind = type("Front", (Front,), {"behind": served.url.rstrip("/"), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is meant
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}", ca.path, kind.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def test_net5_a_code_goes_to_the_page_server_that_proves_itself_and_to_no_other(
    served: Served, box: Path, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    code = code_for(served)
    with https_before(served, tmp_path / "web") as (url, ca, asked):
        doubted = edge(box, "--centre", url, "--code", code)
        assert (doubted.exit_code, "certificate verify failed" in doubted.stderr) == (3, True), doubted.stderr
        misnamed = url.replace("localhost", "127.0.0.1")
        assert edge(box, "--centre", misnamed, "--centre-ca", str(ca), "--code", code).exit_code == 3
        assert asked == []
        done = edge(box, "--centre", url, "--centre-ca", str(ca), "--code", code)
        assert done.exit_code == 0, done.stderr
        assert edge(box, "--renew").exit_code == 0  # which remembers both
        assert asked == ["/enroll/gate", "/enroll/gate/renew"]


UNCLEAR: list[tuple[str, ...]] = [
    ("--centre", "http://192.0.2.7:8080", "--code", "x"),
    ("--centre", "http://centre.example", "--code", "x"),
    ("--centre", "ftp://127.0.0.1", "--code", "x"),
    ("--centre", "https://centre.example/path", "--code", "x"),
    ("--code", "x"),
    ("--renew", "--code", "x", "--centre", "https://centre.example"),
    ("--centre", "https://centre.example"),
    ("--certificate", "x", "--person-secret", "y"),
]


def test_net5_no_gate_sends_its_code_in_plain_or_guesses_what_was_meant(served: Served, box: Path) -> None:
    for arguments in UNCLEAR:
        assert edge(box, *arguments).exit_code == 2, arguments
    assert not tls_files(data_of(box)).key.exists()


def test_the_answer_of_another_centre_needs_a_word(served: Served, box: Path, tmp_path: Path) -> None:
    assert comes_in(served, box, code_for(served)).exit_code == 0
    with served_at(tmp_path / "other") as other:
        other.demo.centre.clock.pass_by((SystemClock().now() - NOON).total_seconds())
        code = code_for(other)
        refused = edge(box, "--centre", other.url, "--code", code)
        assert (refused.exit_code, "--force" in refused.stderr) == (1, True)
        assert edge(box, "--centre", other.url, "--code", code, "--force").exit_code == 0


def test_b15_the_end_of_a_certificate_is_told_thirty_days_before_and_once(served: Served, box: Path) -> None:
    clock, told = SetClock(SystemClock().now()), list[DeviceData]()
    watch = IdentityWatch(data_of(box), clock, told.append)

    def news() -> list[tuple[str, str]]:
        watch.look()
        watch.look()
        fresh: list[tuple[str, str]] = [(one.state, one.detail) for one in told]
        told.clear()
        return fresh

    ((state, detail),) = news()
    assert (state, "enroll" in detail) == ("fault", True)
    assert comes_in(served, box, code_for(served)).exit_code == 0
    assert [state for state, _ in news()] == ["recovered"]
    clock.time = held(box).not_valid_after_utc - timedelta(days=30)
    assert news() == []
    clock.pass_by(1)
    ((state, detail),) = news()
    assert (state, "--renew" in detail) == ("fault", True)
    clock.pass_by(timedelta(days=30).total_seconds())
    ((state, detail),) = news()
    assert (state, "it ended on" in detail) == ("fault", True)
    clock.time = clock.time.replace(year=1970)
    ((state, detail),) = news()
    assert (state, "Set the clock" in detail) == ("fault", True)
    clock.time = SystemClock().now()
    assert [state for state, _ in news()] == ["recovered"]
    tls_files(data_of(box)).certificate.write_text("broken")
    assert [state for state, _ in news()] == ["fault"]


def test_a_dry_run_makes_no_key_no_code_and_no_certificate(served: Served, box: Path) -> None:
    assert edge(box, "--centre", served.url, "--code", "x", "--dry-run").exit_code == 0
    assert not tls_files(data_of(box)).key.exists()
    made = served.run("gate", "enroll", "--name", "south", *WHO, "--dry-run", "--json")
    assert json.loads(made.stdout)["code"] is None
    assert comes_in(served, box, code_for(served)).exit_code == 0
    revoked = served.run("gate", "revoke", "south", *WHY, "--dry-run", "--json")
    assert json.loads(revoked.stdout)["revoked"] == []
    assert states(served) == [("south", "valid")]
