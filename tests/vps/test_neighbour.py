"""A neighbour of the host, with a route to its containers, reaches none of them past nginx."""

from pathlib import Path

import pytest

from deploy.render import units
from tests.vps.engine import VpsError
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import Client, Laptop, host, inventory, page

RULES = "iptables --table mangle --list-rules FORWARD"
# What Docker publishes on 127.0.0.1 it also translates for what comes from outside with that address on it.
FORGED = """
import socket, struct, sys
mac, own_mac, source = (sys.argv[1], sys.argv[2], sys.argv[3])
raw = lambda text: bytes.fromhex(text.replace(":", ""))
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
ends = socket.inet_aton(source) + socket.inet_aton("127.0.0.1")
tcp = struct.pack("!HHLLBBHHH", 40999, int(sys.argv[4]), 1, 0, 5 << 4, 2, 65535, 0, 0)
tcp = tcp[:16] + struct.pack("!H", sum16(ends + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)) + tcp[18:]
head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 7, 0, 64, 6, 0) + ends
head = head[:10] + struct.pack("!H", sum16(head)) + head[12:]
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
line.bind(("eth0", 0))
line.settimeout(3)
line.send(raw(mac) + raw(own_mac) + b"\\x08\\x00" + head + tcp)
try:
    while True:
        got = line.recv(2000)
        if got[23] == 6 and got[36:38] == struct.pack("!H", 40999) and got[47] & 0x12 == 0x12:
            print("answered")
            break
except TimeoutError:
    print("nothing")
"""


def test_a_neighbour_with_a_route_does_not_reach_a_container(internet: Internet, tmp_path: Path) -> None:
    with Host("guarded", internet, "server") as guarded, Host("neighbour", internet) as neighbour:
        laptop = Laptop(tmp_path, internet, inventory({"guarded": host("guarded")}, {"board": page(idle="never")}))
        laptop.cli("setup", "guarded")
        laptop.cli("deploy")
        laptop.cli("wake", "board")
        client = Client(guarded, laptop.user("anna"))
        of = "docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' greffier-board"
        address = guarded.ssh(of).strip()
        bridge = guarded.ssh(f"ip -oneline route get {address}").split(" dev ")[1].split()[0]
        assert bridge.startswith("greffier-")
        neighbour.ssh(f"ip route add {address}/32 via {guarded.inside}")
        port = guarded.ssh("docker port greffier-board 8080").strip().rpartition(":")[2]
        macs = (guarded.ssh("cat /sys/class/net/eth0/address"), neighbour.ssh("cat /sys/class/net/eth0/address"))
        forged = f"python3 - {macs[0].strip()} {macs[1].strip()} {neighbour.inside} {port}"

        def reached() -> tuple[bool, str]:
            try:
                way = neighbour.ssh(f"curl --silent --max-time 3 http://{address}:8080/") == "hello\n"
            except VpsError:
                way = False
            return way, neighbour.ssh(forged, stdin=FORGED).strip()

        assert reached() == (False, "nothing")
        with client.http("board.guarded.test") as http:
            assert http.get("/").text == "hello\n"
        # It may ask others itself.
        out = "import urllib.request; print(urllib.request.urlopen('http://packages.test/', timeout=9).status)"
        assert guarded.ssh(f'docker exec greffier-board python3 -c "{out}"').strip() == "200"
        # Without the rule this Docker lets the neighbour through, so it is the rule that keeps it out.
        guarded.ssh(" ".join(units.UNSEAL[:2]) + f" '{units.UNSEAL[2]}' || true")
        assert reached() == (True, "answered")
        guarded.ssh("systemctl restart docker greffier-autostart")
        laptop.cli("wake", "board")
        assert reached() == (False, "nothing")
        # Who loads all rules anew takes it away, and Docker's with it.
        guarded.ssh("apt-get -q update && apt-get -q -y install nftables && systemctl restart nftables docker")
        laptop.cli("wake", "board")
        assert reached() == (False, "nothing")
        guarded.reboot()
        laptop.cli("wake", "board")
        assert reached() == (False, "nothing")
        assert laptop.cli("plan").strip() == "guarded: nothing to do."
        guarded.ssh("systemctl stop greffier-guard")
        assert any("direct access to its containers" in f["found"] for f in laptop.data("doctor", status=3)["guarded"])
        laptop.cli("destroy", "--yes", "--volumes")
        assert "greffier" not in guarded.ssh(RULES)
        with pytest.raises(VpsError):
            guarded.ssh("systemctl cat greffier-guard")
