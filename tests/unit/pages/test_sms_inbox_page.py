"""The inbox page of the simulated gateway: what it says of each message."""

from simulators.sms_gateway import Sms
from simulators.sms_inbox_page import render

MESSAGE = Sms(
    id="sms-000001", to="+8613800138000", text="应于02:08离场", key="44b3", at="2026-11-22T18:08:44.492Z"
)


def test_a_message_is_shown_at_the_time_that_its_text_speaks_of() -> None:
    page = render([MESSAGE])
    assert '<time datetime="2026-11-22T18:08:44.492Z">2026-11-23 02:08:44</time>' in page
    assert "应于02:08离场" in page


def test_one_message_is_counted_as_one() -> None:
    assert "1 条" in render([MESSAGE]) and ">1 message<" in render([MESSAGE])
    assert "2 条" in render([MESSAGE] * 2) and ">2 messages<" in render([MESSAGE] * 2)
