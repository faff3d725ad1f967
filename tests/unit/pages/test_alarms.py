"""Alarms and emergencies on the guard's screen: every one has words, in both languages, and none is hidden."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from edge.disk_policy import Disk
from edge.disk_watch import UNSENT_MAX, Found
from edge.kiosk.alarm_words import ALARMS, for_alarm
from edge.kiosk.app import create_kiosk
from edge.kiosk.view import AlarmView, Snapshot
from simulators import staged_pages as staged


def ask(snapshot: Snapshot, path: str) -> str:
    app = create_kiosk(staged.StagedKiosk(snapshot), clock=staged.StillClock())
    return TestClient(app, base_url="http://localhost").get(path).text


def test_every_alarm_that_the_gate_raises_has_words_and_no_words_are_idle() -> None:
    code = "".join(file.read_text("utf-8") for file in Path("edge").rglob("*.py"))
    raised = set(re.findall(r'alarms\.(?:begin|flash)\(\s*"([a-z_]+)"', code)) | {"forced", "tailgate"}
    raised |= set(Found(disk=Disk(free=0, size=1), tight=True, full=True, unsent=UNSENT_MAX).faults)
    assert raised == set(ALARMS)
    assert for_alarm("of_a_newer_version").en == "of_a_newer_version"


@pytest.mark.parametrize("path", ["/", "/fragments/state"])
@pytest.mark.parametrize(
    ("phase", "words"), [("active", "只出不进，全员疏散"), ("clear", "警报已解除，复位后方可进入")]
)
def test_an_emergency_stands_on_the_page_and_in_what_refreshes_it(phase: str, words: str, path: str) -> None:
    page = ask(staged.emergency_gate(phase), path)
    assert f'data-phase="{phase}"' in page
    assert words in page
    assert "尾随" in page
    assert "Device opened, or its wire cut" in page


def test_without_one_there_is_no_banner_and_scripts_read_the_same(path: str = "/") -> None:
    assert "data-phase" not in ask(staged.busy_gate(), path)
    status = ask(staged.emergency_gate(), "/api/v1/status")
    assert '"emergency":"active"' in status
    assert '"what":"tailgate","place":"entry"' in status


def test_a_place_with_markup_in_its_name_is_shown_as_text() -> None:
    alarm = AlarmView(what="<b>", place="<script>", at=staged.AFTERNOON)
    page = ask(replace(staged.busy_gate(), alarms=(alarm,)), "/")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page.replace("<script type", "")
