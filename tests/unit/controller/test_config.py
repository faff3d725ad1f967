from datetime import datetime, time
from pathlib import Path

import pytest

from controller.config import load_centre, read_api_token
from controller.init import DemoPlan, centre_toml
from passes.stay import StayRule, claim_of_rule, due_at, rule_of_claim
from passes.vocabulary import Category
from shell.settings import SettingsError


@pytest.fixture
def text(tmp_path: Path) -> str:
    return centre_toml(DemoPlan(folder=tmp_path))


def problem(tmp_path: Path, text: str) -> str:
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_centre(path)
    return str(caught.value).removeprefix(str(path))


def test_the_demo_file_is_read_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    config = load_centre(path)
    site = config.sites[7]
    assert (config.broker_url, config.broker_port, config.web_port) == ("auto", 18830, 8080)
    assert config.database_path == tmp_path / "centre" / "centre.db"
    assert config.api_token_file == tmp_path / "keys" / "api.token"
    assert config.sms is not None
    assert config.sms.supervisors == ("+8613800138000",)
    assert site.stays[Category.COURIER] == StayRule(minutes=1)
    assert site.stays[Category.RENOVATION] == StayRule(leave_by=time(20, 0))
    assert site.gate_names == {"south": "南门"}


def test_sites_and_rules_have_careful_defaults(tmp_path: Path) -> None:
    path = tmp_path / "centre.toml"
    path.write_text('[centre]\nname = "x"\n[[site]]\nid = 3\nname = "y"\n', encoding="utf-8")
    config = load_centre(path)
    assert config.sms is None
    assert read_api_token(config) is None
    assert config.sites[3].static_needs_guard
    assert config.sites[3].stays[Category.FOOD] == StayRule(minutes=30)


def test_midnight_as_a_time_to_leave_by_ends_the_day_of_entry(tmp_path: Path, text: str) -> None:
    path = tmp_path / "centre.toml"
    path.write_text(text.replace('renovation = "20:00"', 'renovation = "00:00"'), encoding="utf-8")
    config = load_centre(path)
    rule = config.sites[7].stays[Category.RENOVATION]
    assert rule == StayRule(leave_by=time(0, 0)) == rule_of_claim(claim_of_rule(rule))
    entered = datetime(2026, 11, 22, 23, 50, tzinfo=config.zone)
    end = due_at(rule, entered_at=entered, zone=config.zone, pass_end=None)
    assert end == datetime(2026, 11, 23, 0, 0, tzinfo=config.zone)


@pytest.mark.parametrize(
    ("url", "kept", "names"),
    [
        ("https://Gate.example.com/", "https://gate.example.com", ("gate.example.com",)),
        ("https://gate.example.com:8443", "https://gate.example.com:8443", ("gate.example.com",)),
        ("https://[fd00::1]", "https://[fd00::1]", ("fd00::1",)),
        ("http://localhost:8080", "http://localhost:8080", ("localhost",)),
    ],
)
def test_the_public_address_is_put_in_front_of_links(
    tmp_path: Path, text: str, url: str, kept: str, names: tuple[str, ...]
) -> None:
    path = tmp_path / "centre.toml"
    path.write_text(text.replace("port = 8080", f'port = 8080\npublic_url = "{url}"'), encoding="utf-8")
    config = load_centre(path)
    assert (config.web_public_url, config.web_names) == (kept, names)


def test_without_a_public_address_there_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    config = load_centre(path)
    assert (config.web_public_url, config.web_names) == (None, ())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "port = 8080",
            "port = 80800",
            ":16: web.port: Input should be less than or equal to 65535 (got 80800)",
        ),
        ("port = 8080", 'prot = "x"', ":16: web.prot: unknown key. Allowed here: host, port, public_url"),
        (
            'renovation = "20:00"',
            'renovation = "8pm"',
            "site.0.stay.renovation: must be 1 to 1440",
        ),
        ('renovation = "20:00"', 'renovation = "20:05"', "in steps of 10 minutes"),
        ('renovation = "20:00"', 'renovation = "24:00"', 'or a time like "20:00"'),
        ("port = 8080", 'public_url = "http://gate.example.com"', "web.public_url: must be like"),
        ("port = 8080", 'public_url = "gate.example.com"', "web.public_url: must be like"),
        ("port = 8080", 'public_url = "https://a b"', "web.public_url: must be like"),
        ("port = 8080", 'public_url = "https://user@gate.example.com"', "web.public_url: must be like"),
        ("port = 8080", 'public_url = "https://gate.example.com/p#x"', "web.public_url: must end with"),
        ("service = 240", "service = 0", "site.0.stay.service: must be 1 to 1440"),
        ('"+8613800138000"', '"13800138000"', "sms.supervisors.0: "),
        (
            'zone = "Asia/Shanghai"',
            'zone = "Asia/Shangai"',
            ":4: centre.zone: is not a time zone",
        ),
        ('url = "auto"', 'url = "tcp://x"', ":11: broker.url: Broker address 'tcp://x'"),
        ('"sqlite:///centre/centre.db"', '"mysql://x"', ":6: centre.database: must be sqlite"),
        ('sign = "阳光物业"', 'sign = "【阳光】"', "sms.sign: must not hold brackets"),
        ("id = 7", "id = 70000", "site.0.id: "),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    assert old in text
    assert said in problem(tmp_path, text.replace(old, new, 1))


def test_a_token_that_others_may_read_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    config = load_centre(path)
    assert config.api_token_file is not None
    with pytest.raises(SettingsError, match="cannot be read"):
        read_api_token(config)
    config.api_token_file.parent.mkdir()
    config.api_token_file.write_text("t" * 40)
    config.api_token_file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_api_token(config)
    config.api_token_file.chmod(0o600)
    assert read_api_token(config) == "t" * 40
