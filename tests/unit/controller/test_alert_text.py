from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.alerts import TEXT_MAX, alert_key, overstay_text
from controller.config import GATE_NAME_MAX, SMS_SIGN_MAX
from passes.vocabulary import Category

SHANGHAI = ZoneInfo("Asia/Shanghai")
DUE = datetime(2026, 12, 22, 6, 32, tzinfo=UTC)


def test_the_supervisor_reads_kind_gate_time_and_number() -> None:
    text = overstay_text(
        sign="阳光物业", category="courier", gate="南门", due_at=DUE, now=DUE, zone=SHANGHAI, number=1042
    )
    assert text == "【阳光物业】快递访客在南门超时，应于14:32离场，事件#1042，请处理。"


def test_the_date_stands_beside_the_time_when_it_is_not_today() -> None:
    text = overstay_text(
        sign="阳光物业",
        category="invited",
        gate="南门",
        due_at=DUE,
        now=DUE + timedelta(days=1),
        zone=SHANGHAI,
        number=3,
    )
    assert text == "【阳光物业】受邀访客在南门超时，应于12月22日14:32离场，事件#3，请处理。"


@pytest.mark.parametrize(
    "category", [*(category.code for category in Category), "a_category_of_tomorrow" * 2, None]
)
def test_the_longest_values_fit_one_sms(category: str | None) -> None:
    text = overstay_text(
        sign="签" * SMS_SIGN_MAX,
        category=category,
        gate="门" * (GATE_NAME_MAX + 20),
        due_at=DUE,
        now=DUE + timedelta(days=9),
        zone=SHANGHAI,
        number=2**31 - 1,
    )
    assert len(text) <= TEXT_MAX
    assert text.endswith("事件#2147483647，请处理。")


def test_a_key_is_one_stay_one_step_one_person() -> None:
    def key(stay: str = "5a" * 8, step: int = 0, recipient: str = "+8613800138000") -> str:
        return alert_key(site=7, stay_id=stay, step=step, recipient=recipient)

    assert key() == key()
    assert len({key(), key(stay="5b" * 8), key(step=1), key(recipient="+8613800138001")}) == 4
