"""Which addresses may be fetched from: those of the public internet, and what the operator adds. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = frozenset({80, 443, 8080, 8443})
"""Where the public web answers; other ports would make a scanner of the service."""

# IANA's registries of special-purpose addresses, multicast, what is kept for the future, and the address at
# which every machine in Azure finds its host.
_CLOSED_4 = [
    *map(IPv4Network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32")),
    *map(IPv4Network, ("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24")),
    *map(IPv4Network, ("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3")),
]
_OPEN_6 = IPv6Network("2000::/3")
_CLOSED_6 = [*map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))]
"""Of these: protocols (Teredo among them), documentation, 6to4."""
_WITH_IPV4 = [*map(IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96"))]
"""IPv4-mapped and NAT64: who connects to them reaches the IPv4 address in their last 32 bits."""

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def address(text: str) -> Address:
    """The address that a connection reaches in the end. Raises ValueError."""
    found = ip_address(text)
    if isinstance(found, IPv6Address) and any(found in network for network in _WITH_IPV4):
        return IPv4Address(int(found) & 0xFFFF_FFFF)
    return found


def public(found: Address) -> bool:
    """Whether anybody on the internet can reach this address too."""
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _CLOSED_4)
    return found in _OPEN_6 and not any(found in network for network in _CLOSED_6)


def plain(name: str) -> str:
    """A host name as names are compared."""
    return name.lower().rstrip(".")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Hosts by name, whatever addresses it has, or by address, whatever names it has."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def hold(self, name: str, found: Address) -> bool:
        return plain(name) in self.names or any(found in network for network in self.networks)


NONE = Hosts()


def hosts(text: str) -> Hosts:
    """`media.lan, 10.0.0.0/8, fd00::5`. Raises ValueError with what is wrong."""
    names: set[str] = set()
    networks: list[Network] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            if not _NAME.fullmatch(plain(entry)) or plain(entry).replace(".", "").isdigit():
                raise ValueError(
                    f"{entry!r} is no host name, address or network; such are media.lan and 10.0.0.0/8"
                ) from None
            names.add(plain(entry))
    return Hosts(frozenset(names), tuple(networks))


def allowed(name: str, port: int, found: Iterable[str], extra: Hosts) -> list[str]:
    """Those of a name's addresses that may be connected to at this port, in order."""
    kept = []
    for text in found:
        one = address(text)
        if extra.hold(name, one) or (public(one) and port in PORTS):
            kept.append(text)
    return kept
