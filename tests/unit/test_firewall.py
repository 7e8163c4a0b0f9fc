"""What firewalls say of themselves, read."""

from deploy.setup.firewall import closed

UFW = """\
Status: active

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW       Anywhere
80,8000:8100/tcp           ALLOW       Anywhere
443/udp                    ALLOW       Anywhere
Anywhere                   ALLOW       192.0.2.7
443/tcp                    DENY        Anywhere
22/tcp (v6)                ALLOW       Anywhere (v6)
"""
NFT = """\
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "lo" accept
		tcp dport { 22, 80 } accept
		tcp dport 8000-8100 accept
		udp dport 443 drop
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
"""


def test_ufw() -> None:
    assert closed(UFW, NFT, (22, 80, 443, 8050, 9000)) == ("ufw", [443, 9000])
    assert closed(UFW + "Nginx Full                 ALLOW       Anywhere\n", "", (443,)) == ("ufw", [])
    assert closed("Status: inactive\n", "", (443,)) == ("", [])


def test_nftables() -> None:
    assert closed("", NFT, (22, 80, 443, 8050)) == ("nftables", [443])
    assert closed("", NFT.replace("udp dport 443 drop", "tcp dport @open accept"), (443,)) == ("nftables", [])
    assert closed("", NFT.replace("policy drop", "policy accept"), (443,)) == ("", [])
