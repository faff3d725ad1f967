"""The inbox page of the simulated SMS gateway: one self-contained document, Chinese and English, no script."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final, Protocol
from zoneinfo import ZoneInfo

SHOWN_MAX: Final = 200
ZONE: Final = ZoneInfo("Asia/Shanghai")  # of the demo site: the messages name its times
STYLE: Final = """
:root { color-scheme: light dark; --ground: #eef1f5; --card: #fff; --ink: #1b2430; --soft: #5b6776; --line: #d9dfe7;
        --accent: #1667c9; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12171d; --card: #1c232c; --ink: #e8edf3; --soft: #9aa7b6; --line: #313b47; --accent: #6fb0ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
       font: 16px/1.5 "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
header { display: flex; align-items: baseline; gap: .75rem; flex-wrap: wrap; margin-bottom: 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; }
header span { color: var(--soft); }
.count { margin-left: auto; font-variant-numeric: tabular-nums; }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem; }
li { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--accent);
     border-radius: .6rem; padding: .8rem 1rem; }
.head { display: flex; gap: .75rem; flex-wrap: wrap; color: var(--soft); font-size: .875rem;
        font-variant-numeric: tabular-nums; }
.to { color: var(--ink); font-weight: 600; }
time { margin-left: auto; }
p { margin: .35rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.key { color: var(--soft); font-size: .75rem; overflow-wrap: anywhere; }
.empty { text-align: center; color: var(--soft); padding: 3rem 1rem; border: 1px dashed var(--line);
         border-radius: .6rem; }
"""


class Shown(Protocol):
    """What the page shows of a message."""

    @property
    def to(self) -> str:
        """The number."""

    @property
    def text(self) -> str:
        """The message."""

    @property
    def key(self) -> str:
        """The sender's idempotency key."""

    @property
    def at(self) -> str:
        """ISO 8601, UTC."""


def render(inbox: Sequence[Shown]) -> str:
    """The whole page; messages in the order given, everything in them escaped."""
    items = "".join(_item(sms) for sms in inbox[:SHOWN_MAX])
    body = f"<ol>{items}</ol>" if items else '<div class="empty">还没有短信<br>No messages yet</div>'
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="2">'
        f"<title>短信收件箱 SMS inbox ({len(inbox)})</title><style>{STYLE}</style></head><body><main>"
        '<header><h1>短信收件箱</h1><span lang="en">Simulated SMS inbox</span>'
        f'<span class="count">{len(inbox)} 条 <span lang="en">{_messages(len(inbox))}</span></span></header>'
        f"{body}</main></body></html>"
    )


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _item(sms: Shown) -> str:
    at = escape(sms.at)
    shown = datetime.fromisoformat(sms.at).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    key = f'幂等键 <span lang="en">idempotency key</span> {escape(sms.key)}'
    return (
        f'<li><div class="head"><span class="to">{escape(sms.to)}</span><time datetime="{at}">{shown}</time></div>'
        f'<p>{escape(sms.text)}</p><div class="key">{key}</div></li>'
    )
