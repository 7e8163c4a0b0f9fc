"""A host goes from Debian 12 to 13 under what is deployed there: nothing breaks, and `plan` tells what is to do."""

from pathlib import Path

from tests.vps import shared
from tests.vps.host import Host
from tests.vps.internet import Internet
from tests.vps.laptop import BEFORE, ON, SAID, Client, Laptop, host, http2, inventory, serving_again

HTTP2 = {
    "/etc/greffier/nginx/tls.conf",
    "/etc/nginx/conf.d/greffier-portal.conf",
    "/etc/nginx/conf.d/greffier-service-whisper.conf",
}


def test_a_host_is_upgraded_to_debian_13(internet: Internet, tmp_path: Path) -> None:
    with Host("delta", internet, "server") as delta:
        laptop = Laptop(tmp_path, internet, inventory({"delta": host("delta")}))
        laptop.cli("setup", "delta")
        with shared.image(delta):
            laptop.cli("deploy")
        client = Client(delta, laptop.user("anna"))
        assert http2(delta) == BEFORE
        delta.ssh(
            "sed -i s/bookworm/trixie/ /etc/apt/sources.list.d/*.sources && export DEBIAN_FRONTEND=noninteractive"
            " && apt-get -q update && apt-get -qy -o Dpkg::Options::=--force-confold dist-upgrade"
        )
        assert "nginx/1.26." in delta.ssh("nginx -v 2>&1") and "3.13." in delta.ssh("python3 -V")
        # Nothing breaks, and what is another matter now is told.
        assert client.transcript() == SAID
        planned = {step["what"] for step in laptop.data("plan", status=4)["delta"]}
        assert planned == {*HTTP2, "autostart's environment for Python 3.13", "autostart", "nginx"}
        laptop.cli("deploy")
        assert laptop.cli("plan").strip() == "delta: nothing to do."
        assert http2(delta) == ON
        assert client.transcript() == SAID
        delta.reboot()
        serving_again(delta)
        assert client.transcript() == SAID
        assert "already set up" in laptop.cli("setup", "delta")
