"""``expect`` of a board in the gate's file: which socket and adapter its port must be, compared as the gate does it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drivers.tool.console import Exit, fail
from drivers.tool.target import Target
from drivers.usb_socket import PortIdentity, identity_of
from passes.words import Pair

_NAMES: Final = ("socket", "usb", "serial")


def expected_of(target: Target) -> PortIdentity:
    """What the file says; ends with exit code 2 when nobody can tell what it means."""
    entry = target.options.get("expect", {})
    words = entry if isinstance(entry, Mapping) else {"": entry}
    if not set(words) <= set(_NAMES) or not all(isinstance(word, str) for word in words.values()):
        fail(
            Exit.USAGE,
            Pair(
                "{name} 的 expect 看不懂；写 expect = {example}，见 postern-driver config validate",
                "expect of {name} cannot be read. Write expect = {example}; see: postern-driver config validate",
            ),
            name=target.name,
            example='{ socket = "1-2.4:1.0" }',
        )
    return PortIdentity(**words)


def stranger_at(target: Target) -> PortIdentity | None:
    """Who is at the port, when it is not who the gate's file expects; nobody at a port that is not there."""
    expected = expected_of(target)
    if expected == PortIdentity() or not Path(target.port).exists():
        return None
    found = identity_of(target.port)
    return None if found.fits(expected) else found


def demand_expected(target: Target) -> None:
    """End with exit code 4 when the gate's file expects another adapter, or another socket, than there is."""
    found = stranger_at(target)
    if found is None:
        return
    fail(
        Exit.UNSAFE,
        Pair(
            "端口 {port} 上是 {found}，配置的 expect 是 {expected}；未发送任何字节。把线插回原来的插口，或修改配置",
            "{port} is {found}, and the gate's file expects {expected}; nothing was sent. "
            "Put the plug back into its socket, or change the file",
        ),
        port=target.port,
        found=found,
        expected=expected_of(target),
    )
