"""What a phone is told when a link gives no pass, and what its host is told about the phone."""

import re
from typing import Final, assert_never

from controller.phone.enrolment import Refusal
from passes.vocabulary import Reason
from passes.words import REASONS, Pair

TOO_MANY: Final = Pair("尝试过多，请一分钟后再试", "Too many tries. Try again in a minute")
_UNKNOWN: Final = Pair(
    "链接无效或已过期，请向邀请您的人要新的链接",
    "This link is wrong or has expired. Ask your host for a new one",
)
_USED: Final = Pair(
    "此链接已在另一部手机上领取。如果不是您本人，请告知邀请您的人",
    "This link has already been enrolled on another phone. If that was not you, tell your host",
)
_NOT_PROVEN: Final = Pair(
    "手机未能证明其密钥，请重新打开链接", "The phone could not prove its key. Open the link again"
)
_LATER: Final = Pair(
    "暂时无法签发，请稍后再试或联系保安", "No pass can be issued now. Try again later or see the guard"
)

_SYSTEMS: Final = (  # first match counts: an iPad calls itself a Macintosh only on its desktop pages
    (re.compile(r"HarmonyOS|OpenHarmony"), "HarmonyOS"),
    (re.compile(r"iPhone"), "iPhone"),
    (re.compile(r"iPad"), "iPad"),
    (re.compile(r"Android"), "Android"),
    (re.compile(r"Windows"), "Windows"),
    (re.compile(r"Macintosh"), "Mac"),
    (re.compile(r"Linux"), "Linux"),
)
_BROWSERS: Final = (  # most browsers also call themselves Chrome or Safari, so those come last
    (re.compile(r"MicroMessenger"), "WeChat"),
    (re.compile(r"AlipayClient"), "Alipay"),
    (re.compile(r"EdgA?/|EdgiOS/"), "Edge"),
    (re.compile(r"Firefox/|FxiOS/"), "Firefox"),
    (re.compile(r"Chrome/|CriOS/"), "Chrome"),
    (re.compile(r"Safari/"), "Safari"),
)


def for_refusal(refusal: Refusal) -> Pair:
    """The words for a visitor whose link gave no pass."""
    match refusal:
        case Refusal.UNKNOWN:
            return _UNKNOWN
        case Refusal.USED:
            return _USED
        case Refusal.NOT_PROVEN:
            return _NOT_PROVEN
        case Refusal.RED:
            return REASONS[Reason.RED].visitor
        case Refusal.LATER:
            return _LATER
        case _:
            assert_never(refusal)


def device_words(user_agent: str) -> str:
    """A coarse name for a device, ``iPhone · WeChat``: enough for a host to say "that is not my guest's"."""
    known = [
        next((word for pattern, word in table if pattern.search(user_agent)), None)
        for table in (_SYSTEMS, _BROWSERS)
    ]
    return " · ".join(word for word in known if word) or "unknown"
