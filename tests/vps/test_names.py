"""Names and their certificate: one that does not point at the host, or left, costs the others nothing."""

import re
import time
from pathlib import Path

from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import ACME, UNKNOWN, Client, Laptop, host, inventory, page, until

BOARD, WIKI, PORTAL = (f"{name}.names.test" for name in ("board", "wiki", "portal"))


def on_it(names: Host) -> set[str]:
    """The names of the certificate that nginx serves."""
    shown = names.ssh("openssl x509 -noout -ext subjectAltName -in /etc/greffier/tls/greffier/fullchain.pem")
    return set(re.findall(r"DNS:([^\s,]+)", shown))


def test_a_name_that_does_not_point_here_costs_the_others_nothing(internet: Internet, tmp_path: Path) -> None:
    with Host("names", internet, "server") as names:
        both = inventory({"names": host("names", tls=ACME)}, {"board": page(), "wiki": page(port=8017)})
        laptop = Laptop(tmp_path, internet, both)
        laptop.cli("setup", "names")
        for name in (PORTAL, BOARD):
            internet.point(name, names.inside)
        told = laptop.cli("deploy", status=3)
        assert f"No certificate was issued for {WIKI}: it {UNKNOWN}." in told, told
        assert f"board: https://{BOARD}\n" in told
        assert f"wiki: https://{WIKI}, once {WIKI} has a certificate" in told
        assert on_it(names) == {PORTAL, BOARD}
        client = Client(names, laptop.user("anna"), internet.acme_root())
        with client.http(BOARD) as http:
            assert http.get("/").text == "hello\n"
        assert f"It lacks {WIKI}: {WIKI} {UNKNOWN}" in laptop.data("certs", "status", status=3)[0]["advice"]
        # It points at what gives no answer: that may be this host, seen from outside, so it is asked for, once.
        internet.point(WIKI, f"{names.inside.rpartition('.')[0]}.99")
        told = laptop.cli("deploy", status=3)
        assert f"No certificate was issued for {WIKI}: it failed the authority's check" in told
        assert on_it(names) == {PORTAL, BOARD}
        internet.point(WIKI, names.inside)
        told = laptop.cli("deploy", status=3)
        assert "`greffier deploy` tries again from" in told and "Requesting a certificate" not in told
        assert "names: renewed" in laptop.cli("certs", "renew")
        assert on_it(names) == {PORTAL, BOARD, WIKI}
        assert laptop.cli("plan").strip() == "names: nothing to do."
        # It goes, and its DNS with it: what is left can be renewed.
        internet.forget(WIKI)
        laptop.write(inventory({"names": host("names", tls=ACME)}, {"board": page()}))
        assert f"the current one still has {WIKI}" in laptop.cli("plan", status=4)
        assert f"It still has {WIKI}" in laptop.cli("certs", "status", status=3)
        laptop.cli("deploy")
        assert on_it(names) == {PORTAL, BOARD}
        names.ssh("certbot renew --force-renewal --no-random-sleep-on-renew")
        assert laptop.cli("plan").strip() == "names: nothing to do."
        assert laptop.data("certs", "status")[0]["advice"] == ""

        # Its DNS goes, and it does not: renewing fails for all, until little is left; then it goes on without.
        brief = {**ACME, "server": internet.authority("brief-names.test", 60)}
        laptop.write(inventory({"names": host("names", tls=brief)}, {"board": page()}))
        laptop.cli("certs", "renew")
        began = time.monotonic()
        internet.forget(BOARD)
        told = laptop.cli("certs", "renew", status=3)
        assert f"No certificate was issued for {BOARD}: it {UNKNOWN}" in told
        advice = laptop.data("certs", "status", status=3)[0]["advice"]
        assert advice.startswith(f"{BOARD} {UNKNOWN}: this blocks renewal")
        look = "systemctl start certbot.service; systemctl show --value --property ActiveState certbot.service"
        names.ssh(look)
        until(lambda: names.ssh(look).strip() in ("failed", "inactive"), "certbot has looked")
        assert on_it(names) == {PORTAL, BOARD}, "it may have its address back tomorrow"
        time.sleep(max(0.0, began + 52 - time.monotonic()))
        names.ssh(look)
        until(lambda: on_it(names) == {PORTAL}, "renewed without the name that fails")
        assert "allow_subset" not in names.ssh("cat /etc/letsencrypt/renewal/greffier.conf")
        laptop.cli("destroy", "--yes", "--volumes")
        assert names.ssh("ls /etc/systemd/system | grep certbot || true") == ""
