"""Every case of the catalogue of faults that concerns gates, their storage and their lines has a test that names it.

Power, disk, serial, camera, broker and events, MQTT, network, time, identity and upgrade, concurrency, fire. A test
carries its cases in front of its name, as in ``test_p3_...`` or ``test_k1_k3_...``.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
CASES = "P1-12 D1-15 S1-16 C1-13 B1-16 M1-9 NET1-10 T1-13 K1-10 K12 K14 K15 X1-7 X11 X12 X14 F1-4 F6 F8"
NAME = re.compile(r"^def test_((?:[a-z]+\d+_)+)", re.MULTILINE)


def wanted() -> set[str]:
    found = set()
    for word in CASES.lower().split():
        letters, first, last = re.fullmatch(r"([a-z]+)(\d+)(?:-(\d+))?", word).groups()  # type: ignore[union-attr]
        found |= {f"{letters}{number}" for number in range(int(first), int(last or first) + 1)}
    return found


def named() -> set[str]:
    names = (NAME.findall(path.read_text("utf-8")) for path in TESTS.rglob("test_*.py"))
    return {id_ for found in names for ids in found for id_ in ids.strip("_").split("_")}


def test_no_case_is_without_its_test() -> None:
    assert sorted(wanted() - named()) == []
