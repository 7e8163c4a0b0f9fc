"""What a host's firewall lets in, as far as its own words show: ufw's status, nftables' rules. Pure."""

import re
from collections.abc import Iterable, Iterator

_NUMBERS = re.compile(r"[0-9]+(:[0-9]+)?(,[0-9]+(:[0-9]+)?)*(/tcp)?")
_DPORT = re.compile(r"\bdport (?:\{([^}]*)\}|(\S+))")
_CHAIN = re.compile(r"hook input [^;]*; policy (\w+)")


def closed(ufw: str, nft: str, ports: Iterable[int]) -> tuple[str, list[int]]:
    """(the firewall that is on, those of the ports that nothing in it opens). A rule that cannot be read may open
    any of them."""
    if "Status: active" in ufw:
        return "ufw", [port for port in ports if not _allowed(_of_ufw(ufw), port)]
    policies = _CHAIN.findall(nft)
    if "drop" not in policies and "reject" not in policies:
        return "", []
    return "nftables", [port for port in ports if not _allowed(_of_nft(nft), port)]


def _allowed(rules: Iterable[str | None], port: int) -> bool:
    return any(rule is None or any(_within(part, port) for part in rule.split(",")) for rule in rules)


def _within(part: str, port: int) -> bool:
    first, _, last = part.strip().replace(":", "-").partition("-")
    return first.isdigit() and int(first) <= port <= int(last if last.isdigit() else first)


def _of_ufw(text: str) -> Iterator[str | None]:
    """Ports of each rule that lets something in; None for one whose ports are not said in numbers."""
    for line in text.splitlines():
        fields = re.split(r"\s{2,}", line.strip())
        if len(fields) > 1 and fields[1].split()[0] in ("ALLOW", "LIMIT"):
            ports = fields[0].removesuffix(" (v6)")
            if _NUMBERS.fullmatch(ports):
                yield ports.removesuffix("/tcp")
            elif not ports.endswith("/udp") and (ports != "Anywhere" or fields[-1].startswith("Anywhere")):
                yield None


def _of_nft(text: str) -> Iterator[str | None]:
    for line in text.splitlines():
        if "accept" not in line:
            continue
        match = _DPORT.search(line)
        if match:
            ports = match.group(1) or match.group(2)
            yield None if ports.startswith("@") else ports
        elif "xt " in line or "dport" in line:
            yield None
