"""The words for each reason, category and outcome: one table, Chinese and English, for kiosk, pages, SMS and docs."""

from dataclasses import dataclass
from typing import Final

from passes.decide import Note
from passes.vocabulary import Category, Reason


@dataclass(frozen=True, slots=True)
class Pair:
    """One phrase in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Words:
    """What to say about one reason: the fact, what the visitor does next, what the guard does next."""

    fact: Pair
    visitor: Pair
    guard: Pair


def _words(fact: tuple[str, str], visitor: tuple[str, str], guard: tuple[str, str]) -> Words:
    return Words(Pair(*fact), Pair(*visitor), Pair(*guard))


_ASK_GUARD = ("请联系保安", "Please see the guard")
_NEW_CODE = ("请打开通行码页面，出示新的码", "Open your pass page and show the fresh code")
_ASK_HOST = ("请联系邀请您的业主", "Please ask your host for a new pass")

REASONS: Final[dict[Reason, Words]] = {
    Reason.MALFORMED: _words(
        ("通行码无法识别", "This code is not a valid pass"),
        _ASK_HOST,
        ("核实来访，必要时登记", "Check the visit; register it if it is genuine"),
    ),
    Reason.BAD_SIGNATURE: _words(
        ("通行码签名不符，疑似伪造", "The signature does not match: possibly forged"),
        _ASK_GUARD,
        ("不予放行，记录来访人", "Do not admit; note who showed it"),
    ),
    Reason.UNKNOWN_KEY: _words(
        ("通行码不是本小区签发", "This pass was not issued for this site"),
        _ASK_HOST,
        ("核实来访，必要时登记", "Check the visit; register it if it is genuine"),
    ),
    Reason.NOT_YET_VALID: _words(
        ("未到生效时间", "This pass is not valid yet"),
        ("请在约定时间再来", "Please come back at the agreed time"),
        ("可致电业主确认提前到访", "Call the host to confirm an early visit"),
    ),
    Reason.EXPIRED: _words(
        ("通行码已过期", "This pass has expired"),
        _ASK_HOST,
        ("致电业主，重新登记", "Call the host and register the visit again"),
    ),
    Reason.REVOKED: _words(
        ("通行码已撤销", "This pass was withdrawn"), _ASK_HOST, ("致电业主确认", "Call the host")
    ),
    Reason.WRONG_ACCESS_POINT: _words(
        ("此码不能在本门使用", "This pass is for another gate"),
        ("请到通行码上写明的门", "Please use the gate named on your pass"),
        ("指引来访人到正确的门", "Direct the visitor to the right gate"),
    ),
    Reason.ALREADY_INSIDE: _words(
        ("此码已入场，未登记离场", "This pass is already inside"),
        _ASK_GUARD,
        ("核对本人；若确已离场，登记离场", "Check the person; if they did leave, record the exit"),
    ),
    Reason.CLOCK_UNTRUSTED: _words(
        ("本机时间不可信", "This gate cannot trust its clock"),
        _ASK_GUARD,
        ("人工核对通行码时间后放行", "Check the pass by hand, then decide"),
    ),
    Reason.INTERNAL_ERROR: _words(
        ("系统故障，未作判断", "System fault: nothing was decided"),
        _ASK_GUARD,
        ("人工核实；通知维修", "Check by hand; call the installer"),
    ),
    Reason.RED: _words(
        ("红码：上次来访未结清", "RED: an earlier visit was never closed"),
        ("请到岗亭结清后再进入", "Settle the earlier visit at the guard post first"),
        ("核实后结清红码，写明原因", "Settle it with a reason, then admit"),
    ),
    Reason.STALE_CODE: _words(
        ("通行码不是最新，截图无效", "This code is too old: screenshots do not work"),
        _NEW_CODE,
        ("请来访人现场打开页面", "Ask the visitor to open the page here"),
    ),
    Reason.REPLAYED: _words(
        ("此码已使用过一次", "This code has been used once already"),
        _NEW_CODE,
        ("核对是否本人持机", "Check that the phone is the visitor's own"),
    ),
    Reason.ENTRIES_USED: _words(
        ("入场次数已用完", "All entries of this pass are used"), _ASK_HOST, ("致电业主确认", "Call the host")
    ),
    Reason.WRONG_SITE: _words(
        ("这是其他小区的通行码", "This pass is for another site"),
        _ASK_HOST,
        ("指引来访人", "Direct the visitor"),
    ),
    Reason.WRONG_DIRECTION: _words(
        ("此码不能用于此方向", "This pass does not work in this direction"),
        ("请走另一条通道", "Please use the other lane"),
        ("指引到另一条通道", "Direct the visitor to the other lane"),
    ),
    Reason.OUTSIDE_HOURS: _words(
        ("不在允许的时段内", "Outside the permitted hours"),
        ("请在允许的时段再来", "Please come back in the permitted hours"),
        ("按小区规定处理", "Follow the site's rule"),
    ),
    Reason.BUNDLE_STALE: _words(
        ("名单过久未更新，需人工核实", "The lists here are too old to rely on"),
        _ASK_GUARD,
        ("人工核实后决定", "Check by hand, then decide"),
    ),
    Reason.OPEN_STAY: _words(
        ("本人另有未结束的来访", "Another visit of this person is still open"),
        _ASK_GUARD,
        ("先登记上次离场", "Record the earlier exit first"),
    ),
    Reason.GUARD_CONFIRM: _words(
        ("需保安确认", "The guard confirms this one"),
        _ASK_GUARD,
        ("核对来访人与纸质码后放行", "Check the person against the slip, then decide"),
    ),
    Reason.SEVERAL_CODES: _words(
        ("同时出现多个通行码", "More than one pass is in view"),
        ("请一次只出示一个码", "Please show one code at a time"),
        ("请来访人逐个出示", "Ask for one code at a time"),
    ),
    Reason.LANE_FAULT: _words(
        ("通道设备故障", "This lane has a fault"),
        ("请走其他通道或联系保安", "Use another lane or see the guard"),
        ("用钥匙或按钮放行，通知维修", "Use key or button; call the installer"),
    ),
    Reason.EMERGENCY: _words(
        ("紧急疏散中，暂停进入", "Emergency: nobody is let in"),
        ("请勿进入，听从保安指挥", "Stay outside and follow the guard"),
        ("先疏散；警报解除后在本机复位", "Let people out first; reset here when it is over"),
    ),
    Reason.LANE_BLOCKED: _words(
        ("此通道已停用，暂不放行", "This lane is closed for now"),
        ("请走其他通道或联系保安", "Use another lane or see the guard"),
        ("本通道由中心停用；需要时请中心恢复", "The centre has blocked it; ask there to unblock it"),
    ),
    Reason.NO_VEHICLE: _words(
        ("道闸前没有车辆", "No vehicle stands at the barrier"),
        ("请把车开到道闸前，再出示通行码", "Drive up to the barrier and show the code there"),
        ("行人请走人行通道", "Whoever walks takes the lane for people"),
    ),
    Reason.UNKNOWN_PASS: _words(
        ("本门尚未读过此码的完整码", "This gate has not read the full code of this pass yet"),
        ("请稍候，出示一次完整的码", "Show the full code once"),
        ("请来访人出示完整的码；不行则登记", "Ask for the full code; else register the visit"),
    ),
}

CATEGORIES: Final[dict[Category, Pair]] = {
    Category.RESIDENT: Pair("业主", "Resident"),
    Category.INVITED: Pair("受邀访客", "Invited guest"),
    Category.COURIER: Pair("快递", "Courier"),
    Category.FOOD: Pair("外卖", "Food delivery"),
    Category.RENOVATION: Pair("装修", "Renovation"),
    Category.SERVICE: Pair("服务", "Service"),
    Category.OTHER: Pair("其他访客", "Other visitor"),
}

UNKNOWN_REASON: Final = _words(
    ("未通过", "Not admitted"), _ASK_GUARD, ("人工核实后决定", "Check by hand, then decide")
)


NOTES: Final[dict[Note, Pair]] = {
    Note.UNIDENTIFIED_EXIT: Pair("离开，未识别", "Left without being recognised"),
    Note.AGAIN_INSIDE: Pair("上次未登记离开", "The last exit was not seen"),
    Note.RED_EXIT: Pair("红码未结清，请登记说明", "RED: ask why, and note it down"),
    Note.NO_ENTRY_KNOWN: Pair("本门没有进入记录", "No entry is known here"),
    Note.WITHDRAWN_EXIT: Pair("通行码已注销", "This pass was withdrawn meanwhile"),
    Note.ITEM_PASS: Pair("出门条：请查看携带物品", "Item pass: look at what is carried out"),
    Note.SOFT_KEY: Pair("软密钥：请核对本人", "Soft key: check that it is the visitor"),
}
"""What the guard reads beside an answer."""


def for_reason(code: str) -> Words:
    """The words for a reason code; one that this version does not know gets neutral words."""
    try:
        return REASONS[Reason(code)]
    except ValueError:
        return UNKNOWN_REASON


def for_category(code: str) -> Pair:
    """The words for a category code; an unknown one is shown as it is."""
    try:
        return CATEGORIES[Category.from_code(code)]
    except KeyError:
        return Pair(code, code)
