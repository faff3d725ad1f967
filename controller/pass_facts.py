"""What the ``pass`` commands print: names and values, for people."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from controller.config import SiteConfig
from controller.pass_picture import Names
from controller.verifying import Verdict
from passes.claims import KeyLevel
from passes.vocabulary import PURPOSE_ITEM_PASS
from passes.words import for_category

KEY_LEVELS: Final = {
    KeyLevel.NONE: "0, paper",
    KeyLevel.SOFT: "1, soft: the phone's key could be copied; one entry",
    KeyLevel.KEPT: "2, kept by the phone",
    KeyLevel.PASSKEY: "3, passkey",
}
WALK_IN: Final = "walk_in"
ITEM_PASS: Final = "出门条 item pass: the guard looks at what is carried out"  # noqa: S105


Facts = list[tuple[str, str]]


def order_facts(order: dict[str, Any]) -> Facts:
    """What was ordered, its holder masked already."""
    words = for_category(order["category"])
    facts = [
        ("category", f"{words.zh} {words.en}"),
        ("holder", f"{order['name']} {order['phone']}"),
        ("unit", str(order["unit"])),
        ("gates", _listed(order["gates"])),
    ]
    if order["purpose"]:
        facts.append(("purpose", _purpose(order["purpose"])))
    if "hours" in order:
        facts.append(("hours", "; ".join(order["hours"])))
    return facts


def record_facts(record: dict[str, Any], zone: ZoneInfo) -> Facts:
    """What the centre knows of a pass."""
    if record["kind"] == WALK_IN:
        return _walk_in_facts(record, zone)
    words = for_category(record["category"])
    facts = [
        ("pass", record["pass_id"]),
        ("state", record["state"]),
        ("kind", f"{record['colour']}, {record['kind']}"),
        ("category", f"{words.zh} {words.en}"),
        ("holder", f"{record.get('name', '?')} {record.get('phone', '?')}"),
        ("unit", str(record["unit"])),
        ("gates", _listed(record["gates"])),
        ("purpose", _purpose(record["purpose"])),
        ("issued", local_time(record["issued_at"], zone)),
        ("valid until", local_time(record["expires_at"], zone)),
        ("signed by", f"key {record['key_id']}"),
    ]
    if "key_level" in record:
        facts.append(("key level", KEY_LEVELS[KeyLevel(record["key_level"])]))
    if "revoked_at" in record:
        when = local_time(record["revoked_at"], zone)
        facts.append(("withdrawn", f"{when} by {record['revoked_by']}: {record['revoked_reason']}"))
    return facts + _visit_facts(record, zone)


def _walk_in_facts(record: dict[str, Any], zone: ZoneInfo) -> Facts:
    words = for_category(record["category"]) if "category" in record else None
    registered = local_time(record["issued_at"], zone)
    return [
        ("pass", record["pass_id"]),
        ("state", record["state"]),
        ("kind", f"{record['colour']}, walk-in: registered at a gate"),
        ("category", f"{words.zh} {words.en}" if words else "?"),
        ("holder", f"…{record['phone_last4']}" if "phone_last4" in record else "no number was given"),
        ("unit", str(record.get("unit", "?"))),
        ("registered", f"at gate {record['gate']}, {registered} by {record['by']}: {record['reason']}"),
        ("valid until", local_time(record["expires_at"], zone)),
        *_visit_facts(record, zone),
    ]


def _visit_facts(record: dict[str, Any], zone: ZoneInfo) -> Facts:
    facts = []
    for visit in record["visits"]:
        left = f"left {local_time(visit['left_at'], zone)}" if "left_at" in visit else visit["state"]
        facts.append(("visit", f"{visit['entry_gate']} {local_time(visit['entered_at'], zone)}, {left}"))
    return facts


def slip_names(site: SiteConfig, gate: int, gate_keys: Iterable[dict[str, Any]]) -> Names:
    """What a slip calls its site and gate: the centre knows by its key which gate has a number."""
    known = {one["number"]: one["name"] for one in gate_keys if one["state"] != "withdrawn"}
    return Names(site=site.name, gate=site.gate_names.get(known.get(gate, ""), known.get(gate, "")))


def verdict_facts(verdict: Verdict, zone: ZoneInfo) -> Facts:
    """What was made of a text, and what it says."""
    facts = [("verdict", verdict.verdict)]
    if verdict.reason is not None:
        facts += [("reason", verdict.reason), ("", verdict.zh or ""), ("", verdict.en or "")]
    if verdict.detail is not None:
        facts.append(("detail", verdict.detail))
    if verdict.claims is not None:
        for name, value in verdict.claims.items():
            shown = (
                local_time(value, zone)
                if name in {"not_before", "expires_at", "issued_at"} and value
                else value
            )
            facts.append((name, _listed(shown) if isinstance(shown, tuple) else str(shown)))
    return facts


def link_facts(state: dict[str, Any], zone: ZoneInfo) -> Facts:
    """What became of a link."""
    facts = [("link", state["id"]), ("may be opened until", local_time(state["expires_at"], zone))]
    if state["used_at"] is None:
        return [*facts, ("taken", "not yet" if state["open"] else "never: expired or withdrawn")]
    facts += [("taken", local_time(state["used_at"], zone)), ("device", state["device"] or "unknown")]
    if state["key_level"] is not None:
        facts.append(("key level", KEY_LEVELS[KeyLevel(state["key_level"])]))
    return [*facts, ("pass", state["pass_id"] or "not issued yet")]


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _purpose(code: int) -> str:
    return f"{code}, {ITEM_PASS}" if code == PURPOSE_ITEM_PASS else str(code)


def local_time(moment: str, zone: ZoneInfo) -> str:
    """A moment of the interface as the site's clocks show it."""
    return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}"
