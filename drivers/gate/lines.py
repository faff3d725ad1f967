"""Boards that are on one port, however each of them spells it: which may share it, and which may not.

Two owners of one line would lock each other out; two names of one board would open each other's lane.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import combinations
from os.path import realpath
from socket import if_indextoname
from typing import NamedTuple
from urllib.parse import urlsplit

from drivers.devices.modbus_tcp import TCP_PORT
from drivers.gate.hardware import NETWORK, BoardSection
from drivers.gate.problem import Infos, Problem
from drivers.registry import PROTOCOLS
from passes.words import Pair


class _Network(NamedTuple):
    """Where a board is in a network, in one spelling; ``zone`` names the interface of a link-local address."""

    host: IPv4Address | IPv6Address
    port: int
    zone: str


@dataclass(frozen=True, slots=True)
class _Two:
    """Two boards on one port, and which of the file's boards the second is."""

    one: BoardSection
    other: BoardSection
    at: int

    def problem(self, key: str, zh: str, en: str) -> Problem:
        """What is wrong with them, with both names and both spellings."""
        zh_two = f"{self.one.name}（{self.one.port}）与 {self.other.name}（{self.other.port}）"
        en_two = f"boards {self.one.name} ({self.one.port}) and {self.other.name} ({self.other.port})"
        words = Pair(f"{zh_two} 在同一个端口：{zh}", f"{en_two} share one port: {en}")
        return Problem(("board", self.at, key), words)


def ports(boards: Sequence[BoardSection], infos: Infos) -> Iterator[Problem]:
    """Several boards on one port are on one pair of wires: each has an address, and all agree on the line."""
    for (_, one), (at, other) in combinations(enumerate(boards), 2):
        if not _on_one_port(one, other):
            continue
        two = _Two(one, other, at)
        found = _alone(two) or _addressed(two, infos)
        if found is not None:
            yield found


def _alone(two: _Two) -> Problem | None:
    """Of those that share nothing."""
    if two.one.port.startswith(NETWORK):
        return two.problem(
            "port",
            "网络板每块只写一次。删去其中一块，或改成另一块板的地址",
            "a network board is named once. Leave one of them out, or write the other board's address",
        )
    for board in (two.one, two.other):
        protocol = PROTOCOLS[board.protocol]
        if protocol.alone:
            return two.problem(
                "port",
                f"{board.protocol}（{board.name}）必须独占线路。请给它单独的端口",
                f"{board.protocol} ({board.name}) must have its line for itself. Give it a port of its own",
            )
        if "unit" not in protocol.options:
            return two.problem(
                "port",
                f"{board.protocol}（{board.name}）在线上没有地址。请给它单独的端口",
                f"{board.protocol} ({board.name}) has no address there. Give it a port of its own",
            )
    return None


def _addressed(two: _Two, infos: Infos) -> Problem | None:
    """Of those that may, by their addresses and the settings of their line."""
    one, other = two.one, two.other
    if one.unit is None or other.unit is None or one.unit == other.unit:
        return two.problem("unit", "每块板都要有自己的 unit", "each needs a unit of its own")
    if infos[one.name].line != infos[other.name].line:
        return two.problem(
            "port",
            "两块板的线路设置（速率、校验）不同。请设成一样，或分开端口",
            "their lines are set differently. Set both boards to one speed, or give each a port",
        )
    if one.echo != other.echo or one.expect != other.expect:
        return two.problem("port", "echo 和 expect 必须相同", "echo and expect must be the same for both")
    if one.port != other.port:
        return two.problem("port", f"两处都写成 {one.port}", f"name it alike in both, for example {one.port}")
    return None


def _on_one_port(one: BoardSection, other: BoardSection) -> bool:
    if not (one.port.startswith(NETWORK) and other.port.startswith(NETWORK)):
        return realpath(one.port) == realpath(other.port)
    here, there = _network(one.port), _network(other.port)
    zones_fit = here.zone == there.zone or not here.zone or not there.zone
    return here[:2] == there[:2] and zones_fit


def _network(address: str) -> _Network:
    """An address in one spelling; it was checked before."""
    parts = urlsplit(address)
    host = ip_address(parts.hostname or "")
    port = TCP_PORT if parts.port is None else parts.port
    if isinstance(host, IPv4Address):
        return _Network(host, port, "")
    if host.ipv4_mapped is not None:
        return _Network(host.ipv4_mapped, port, "")
    zone = _interface(host.scope_id or "") if host.is_link_local else ""  # elsewhere it means nothing
    return _Network(IPv6Address(int(host)), port, zone)


def _interface(zone: str) -> str:
    """The name of an interface that may be given by its number."""
    try:
        return if_indextoname(int(zone))
    except (ValueError, OSError, OverflowError):
        return zone
