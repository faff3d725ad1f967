"""``sms test``: one short message through the gate's own modem, from SIM to receipt. Numbers are shown masked."""

import time
from typing import Annotated, Any, Final

import typer

from drivers.devices.pdu import UnsendableError, encode_submit
from drivers.model import AnyEvent, Refused
from drivers.peripherals import ModemState, SendSms, SmsReported, SmsSent
from drivers.tool.confirm import IsolatedOption
from drivers.tool.console import DryRunOption, Exit, JsonOption, fail, put_json, put_line, say, text
from drivers.tool.masking import MASK
from drivers.tool.opening import Session, fresh_id, opened, say_event
from drivers.tool.outcomes import REFUSALS
from drivers.tool.proof import demand_proof
from drivers.tool.spoken_help import SpokenCommand, SpokenGroup
from drivers.tool.target import BoardOption, ConfigOption, PortOption, driver_of, find_target
from drivers.tool.temp import demand_kind
from drivers.tool.trace import TraceOption
from passes.words import Pair
from shell.phone_number import canonical_phone

DEFAULT_TEXT: Final = "门禁短信测试 gate test"
_SENT_WITHIN_S: Final = 140.0  # waiting for a network, and then for each part
sms_app = typer.Typer(
    name="sms",
    cls=SpokenGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Try the short messages of a gate's own modem.\n\n\b\nExamples:\n"
    "  postern-driver sms test --port /dev/ttyUSB2 --to 13800138000 --dry-run\n"
    "  postern-driver sms test --port /dev/ttyUSB2 --to 13800138000\n",
)


@sms_app.callback()
def about() -> None:
    """Make ``test`` a word of its own."""


@sms_app.command(cls=SpokenCommand)
def test(
    *,
    to: Annotated[str, typer.Option("--to", help="Phone number; shown masked, kept nowhere.")],
    words: Annotated[str, typer.Option("--text", help="What to send.", show_default=False)] = DEFAULT_TEXT,
    port: PortOption = None,
    board: BoardOption = None,
    config: ConfigOption = None,
    receipt: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for the receipt.")] = 20.0,
    confirm: IsolatedOption = None,
    dry_run: DryRunOption = False,
    trace: TraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one short message by the modem: SIM, network, signal, sent, delivered. IT COSTS MONEY.

    \b
    Examples:
      postern-driver sms test --port /dev/ttyUSB2 --to 13800138000 --dry-run
      postern-driver sms test --port /dev/ttyUSB2 --to 13800138000

    A message is written once, and never again by itself. Exit code 1: refused; 3: no modem, or nobody knows whether it
    was sent. A trace has the number in it, as the modem was told it.
    """
    protocol = None if board is not None else "modem"
    target = find_target(port=port, protocol=protocol, board=board, config=config)
    demand_kind(target, "modem")
    try:
        number = canonical_phone(to)
        parts = encode_submit(number, words)
    except (UnsendableError, ValueError):
        fail(
            Exit.USAGE,
            Pair("号码或内容不能作为短信发送", "This number or text cannot be a short message"),
        )
    shown = f"{MASK}{number[-4:]}"
    if dry_run:
        rows = [
            {"part": at, "length": each.length, "pdu": _masked(each.hex)} for at, each in enumerate(parts, 1)
        ]
        if as_json:
            put_json({"to": shown, "parts": rows})
            return
        for part in rows:
            put_line(f"AT+CMGS={part['length']}")
            put_line(f"  {part['pdu']}")
        return
    demand_proof(target, driver_of(target), confirm, trace=trace)
    row: dict[str, Any] = {"to": shown, "parts": len(parts)}
    with opened(target, trace=trace) as session:
        modem = _Modem()
        outcome = session.answer(
            SendSms(to=number, text=words, id=fresh_id()), within_s=_SENT_WITHIN_S, meanwhile=modem.take
        )
        if isinstance(outcome, SmsSent):
            row |= {"result": "sent", "delivered": _receipts(session, outcome, modem, receipt)}
        row |= modem.row
    if isinstance(outcome, Refused):
        row |= {"result": "refused", "why": outcome.why.value}
    _report(row, outcome, as_json=as_json)


class _Modem:
    """What the modem said of itself."""

    def __init__(self) -> None:
        self.row: dict[str, Any] = {}

    def take(self, event: AnyEvent) -> None:
        """Keep its state, say the rest."""
        if isinstance(event, ModemState):
            self.row = {"sim": event.sim, "registered": event.registered, "signal_dbm": event.signal_dbm}
        else:
            say_event(event)


def _receipts(session: Session, sent: SmsSent, modem: _Modem, within_s: float) -> bool | None:
    """Whether all parts were delivered; None when the network has not said so in time."""
    waits, until_s = set(sent.references), time.monotonic() + within_s
    while waits:
        event = session.next(until_s)
        if event is None:
            return None
        modem.take(event)
        if isinstance(event, SmsReported) and event.reference in waits:
            if not event.delivered:
                return False
            waits.discard(event.reference)
    return True


def _report(row: dict[str, Any], outcome: AnyEvent | None, *, as_json: bool) -> None:
    if as_json:
        put_json({"result": "unknown"} | row)
    elif "sim" in row:
        dbm = "?" if row["signal_dbm"] is None else row["signal_dbm"]
        registered = text(
            Pair("已注册", "registered") if row["registered"] else Pair("未注册", "not registered")
        )
        put_line(f"SIM {row['sim']}, {registered}, {dbm} dBm")
    if isinstance(outcome, SmsSent):
        words = {
            True: Pair("已送达 {to}", "delivered to {to}"),
            False: Pair("网络未能送达 {to}", "the network could not deliver it to {to}"),
            None: Pair("已发给网络（{to}），尚无回执", "the network took it for {to}; no receipt yet"),
        }[row["delivered"]]
        say(words, to=row["to"])
        if row["delivered"] is False:
            raise typer.Exit(Exit.FAILED)
        return
    if isinstance(outcome, Refused):
        why = REFUSALS[outcome.why]
        fail(
            Exit.FAILED,
            Pair(
                f"没有发出（{why.zh}）：检查 SIM 卡、PIN、天线和余额",
                f"Not sent ({why.en}). Look at the SIM, its PIN, the antenna and the credit",
            ),
        )
    fail(
        Exit.UNREACHABLE,
        Pair(
            "不知道是否已发出：先看手机，再决定是否重发",
            "Nobody knows whether it was sent: look at the phone before you send another",
        ),
    )


def _masked(pdu: str) -> str:
    """The octets of a part with the digits of the number out of sight, but the last four."""
    digits = int(pdu[6:8], 16)
    length = digits + digits % 2
    begin = 10
    hidden = max(0, length - 4)
    return pdu[:begin] + "*" * hidden + pdu[begin + hidden :]
