"""A guard who reads Chinese and one who reads English both learn why there is no pass, and what to do."""

import re

import pytest

from edge.control import WalkInRequest
from edge.walkin_words import WALK_IN_REFUSALS, WRONG_FIELDS, Refusal, next_step, said
from passes.words import Pair

PAIRS = {
    **{f"{refusal} fact": WALK_IN_REFUSALS[refusal].fact for refusal in Refusal},
    **{f"{refusal} guard": WALK_IN_REFUSALS[refusal].guard for refusal in Refusal},
    **WRONG_FIELDS,
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_each_is_said_in_both_languages(pair: Pair) -> None:
    assert re.search(r"[\u4e00-\u9fff]{2}", pair.zh)
    assert pair.en.isascii() and len(pair.en.split()) > 2


def test_each_field_that_a_guard_fills_in_has_its_words() -> None:
    assert set(WRONG_FIELDS) == set(WalkInRequest.model_fields) - {"do", "dry_run"}


def test_a_guard_whose_gate_may_sign_nothing_now_is_told_to_open_by_hand() -> None:
    assert next_step(Refusal.NO_CERTIFICATE, "1f2e") == (
        "请中心管理员批准本门的密钥 Ask the centre to approve this gate's key: 1f2e. "
        "在此之前请用钥匙或按钮放行，并手工登记 "
        "Until then open by key or button, and write the visitor down by hand"
    )
    assert next_step(Refusal.STAY_TOO_LONG) == said(WALK_IN_REFUSALS[Refusal.STAY_TOO_LONG].guard)
