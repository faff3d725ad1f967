"""Why a guard gets no walk-in pass: one table, Chinese and English, with what to do now.

The reasons that an entry gives as well, such as RED, have their words in ``passes.words``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from passes.words import Pair


class Refusal(StrEnum):
    """Why this gate signs no pass; the codes that tools read."""

    NOT_ENROLLED = "not_enrolled"
    GATE_KEY_UNUSABLE = "gate_key_unusable"
    PERSON_SECRET_UNUSABLE = "person_secret_unusable"  # noqa: S105  # a code
    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE_NOT_YET = "certificate_not_yet"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CATEGORY_NOT_DELEGATED = "category_not_delegated"
    STAY_TOO_LONG = "stay_too_long"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, slots=True)
class RefusalWords:
    """What is the matter, and what the guard does now."""

    fact: Pair
    guard: Pair


_BY_HAND: Final = Pair(
    "在此之前请用钥匙或按钮放行，并手工登记",
    "Until then open by key or button, and write the visitor down by hand",
)

WALK_IN_REFUSALS: Final[dict[Refusal, RefusalWords]] = {
    Refusal.NOT_ENROLLED: RefusalWords(
        Pair("本门还没有自己的密钥", "This gate has no key of its own"),
        Pair("请安装人员运行：postern-edge enroll", "The installer runs: postern-edge enroll"),
    ),
    Refusal.GATE_KEY_UNUSABLE: RefusalWords(
        Pair("本门的密钥无法使用", "The gate's own key cannot be used"),
        Pair("请通知安装人员", "Call the installer"),
    ),
    Refusal.PERSON_SECRET_UNUSABLE: RefusalWords(
        Pair(
            "小区的人员密钥无法使用，查不了红码",
            "The site's person secret cannot be used, so RED cannot be looked up",
        ),
        Pair("请通知安装人员", "Call the installer"),
    ),
    Refusal.NO_CERTIFICATE: RefusalWords(
        Pair(
            "中心还未准许本门登记访客，或通行名单还未送达",
            "The centre has not let this gate register visitors, or its bundle has not come yet",
        ),
        Pair("请中心管理员批准本门的密钥", "Ask the centre to approve this gate's key"),
    ),
    Refusal.CERTIFICATE_NOT_YET: RefusalWords(
        Pair("本门的登记证书尚未生效", "The certificate of this gate is not valid yet"),
        Pair("核对本门与中心的时钟", "Compare the clocks of gate and centre"),
    ),
    Refusal.CERTIFICATE_EXPIRED: RefusalWords(
        Pair("本门的登记证书已到期", "The certificate of this gate has ended"),
        Pair(
            "本门连上中心后会自动更新；无网络时用 U 盘导入：postern-edge bundle import",
            "The centre renews it as soon as this gate reaches it, or carry a bundle here: postern-edge bundle import",
        ),
    ),
    Refusal.CATEGORY_NOT_DELEGATED: RefusalWords(
        Pair("中心未准许本门登记这类访客", "The centre does not let this gate register such visitors"),
        Pair("请业主发邀请，或请中心准许", "Let the host send an invitation, or ask the centre to allow it"),
    ),
    Refusal.STAY_TOO_LONG: RefusalWords(
        Pair("停留时间超出小区规定", "The stay is longer than the site's rule"),
        Pair("不写 --stay，或写短一些", "Leave --stay out, or ask for less"),
    ),
    Refusal.NOT_RECORDED: RefusalWords(
        Pair(
            "本门记录无法写入，没有记录就不发码",
            "The gate's journal cannot be written, and without a record there is no pass",
        ),
        Pair("请通知安装人员清理磁盘", "Let the installer free the gate's disk"),
    ),
}

RED_AT_THIS_GATE: Final = Pair(
    "本门没有小区的人员密钥：这个号码的红码只在本门认得，别的门和中心不认得。请安装人员运行：postern-edge enroll "
    "--person-secret",
    "This gate has no person secret of the site: RED of this number is known at this gate alone, neither at others "
    "nor at the centre. The installer runs: postern-edge enroll --person-secret",
)

_OPENS_BY_HAND: Final = frozenset(
    {
        Refusal.GATE_KEY_UNUSABLE,
        Refusal.PERSON_SECRET_UNUSABLE,
        Refusal.NO_CERTIFICATE,
        Refusal.CERTIFICATE_NOT_YET,
        Refusal.CERTIFICATE_EXPIRED,
        Refusal.NOT_RECORDED,
    }
)

WRONG_FIELDS: Final[dict[str, Pair]] = {
    "by": Pair("写保安姓名，一行，最多 200 字", "write the guard's name on one line, 200 characters at most"),
    "reason": Pair("写登记原因，一行，最多 200 字", "write why, on one line, 200 characters at most"),
    "unit": Pair("写房号，如 3-1202，或其编号", "write the unit's name, such as 3-1202, or its index"),
    "phone": Pair(
        "写手机号，如 13800138000；外国号码以 + 开头",
        "write it as 13800138000, or abroad with + and the country",
    ),
    "stay_minutes": Pair("写分钟数，1 到 1440", "write whole minutes, 1 to 1440"),
    "category": Pair("写下列之一", "write one of"),
}
"""What a field of a request must be, where it is not: never what was written there, which may be a number."""


def said(pair: Pair, detail: str = "") -> str:
    """One sentence in both languages, with a detail that is the same in both."""
    return f"{pair.zh} {pair.en}{': ' if detail else ''}{detail}"


def next_step(refusal: Refusal, detail: str = "") -> str:
    """What the guard does now, in both languages."""
    step = said(WALK_IN_REFUSALS[refusal].guard, detail)
    return f"{step}. {said(_BY_HAND)}" if refusal in _OPENS_BY_HAND else step
