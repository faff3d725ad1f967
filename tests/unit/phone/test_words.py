import pytest

from controller.phone.enrolment import Refusal
from controller.phone.words import device_words, for_refusal

MOBILE_SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Version/26.1 Mobile/15E148 Safari/604.1"
)
WECHAT = "Mozilla/5.0 (Linux; Android 16; V) Chrome/134.0 Mobile Safari/537.36 MicroMessenger/8.0.66"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0"


def test_every_refusal_has_words_in_both_languages() -> None:
    words = [for_refusal(refusal) for refusal in Refusal]
    assert all(pair.zh and pair.en for pair in words)
    assert len({pair.en for pair in words}) == len(Refusal)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (MOBILE_SAFARI, "iPhone · Safari"),
        (WECHAT, "Android · WeChat"),
        (EDGE, "Windows · Edge"),
        ("curl/8", "unknown"),
        ("", "unknown"),
        ("<script>Android</script>", "Android"),
    ],
)
def test_a_device_is_named_coarsely_and_never_by_its_own_words(agent: str, words: str) -> None:
    assert device_words(agent) == words
