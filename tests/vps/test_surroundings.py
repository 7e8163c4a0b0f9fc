"""A host that is not as the kit's makers have theirs: a login that speaks, German, no IPv6, another nginx user."""

import subprocess
from pathlib import Path

import pexpect
import pytest

from tests.vps.host import ADMIN_PASSWORD, Host
from tests.vps.internet import Internet
from tests.vps.laptop import Client, Laptop, host, inventory, page

SPEAKS = "echo \"Willkommen, $USER! $(date)\"; printf 'no end of line'\n"
SAYS = """echo 'Please login as the user \\"debian\\" rather than the user \\"closed\\".';echo;sleep 10;exit 142"""
"""As cloud-init writes it for root (cc_ssh.py)."""
NO_IPV6 = "[Service]\nRestrictAddressFamilies=AF_INET AF_UNIX AF_NETLINK AF_PACKET\n"
GERMAN = Path("/usr/share/i18n/locales/de_DE")


def test_a_host_of_its_own_kind(internet: Internet, tmp_path: Path) -> None:
    with Host("odd", internet) as odd:
        # What its logins say.
        for home in ("/home/debian", "/home/admin"):
            odd.ssh(f"cd {home} && {{ cat; cat .bashrc 2>/dev/null; }} >.new && mv .new .bashrc", stdin=SPEAKS)
        odd.ssh("useradd --create-home --shell /bin/bash closed && install -d -o closed -m 700 /home/closed/.ssh")
        key = "/root/.ssh/authorized_keys"
        odd.ssh(f"{{ cat; cat {key}; }} | tr -d '\\n' >/home/closed/.ssh/authorized_keys", stdin=f'command="{SAYS}" ')
        # It has no IPv6.
        for unit in ("ssh", "nginx"):
            odd.ssh(f"mkdir -p /etc/systemd/system/{unit}.service.d")
            odd.write(f"/etc/systemd/system/{unit}.service.d/no-ipv6.conf", NO_IPV6)
        odd.ssh("systemctl daemon-reload && systemctl restart ssh")
        german(odd, tmp_path)
        laptop = Laptop(
            tmp_path / "laptop", internet, inventory({"odd": host("odd", user="closed")}, {"board": page()})
        )
        told = laptop.cli("status", status=3)
        assert 'closed@odd says: Please login as the user "debian" rather than the user "closed".' in told
        assert "Set `user: debian` for it in the inventory." in told
        laptop.write(inventory({"odd": host("odd", user="debian")}, {"board": page()}))
        assert "installed nginx" in laptop.cli("setup", "odd")
        odd.ssh("useradd --system --user-group web && sed -i 's/^user www-data;/user web;/' /etc/nginx/nginx.conf")
        odd.ssh("systemctl restart nginx")
        laptop.cli("deploy")
        listens = odd.ssh("grep -rh listen /etc/nginx/conf.d")
        assert "0.0.0.0:443" in listens and "[::]" not in listens
        assert odd.ssh("stat -c '%U:%G %a' /etc/greffier/htpasswd").strip() == "root:web 640"
        client = Client(odd, laptop.user("anna"))
        with client.http("board.odd.test") as http:
            assert http.get("/").text == "hello\n"
        assert odd.ssh("stat -c '%U:%G' /etc/greffier/htpasswd").strip() == "root:web"
        assert laptop.cli("plan").strip() == "odd: nothing to do."
        # The firewall of a German host is read like any other.
        odd.ssh("apt-get -q update && apt-get -q -y install ufw")
        odd.ssh("ufw allow 22/tcp && ufw allow 443/tcp && ufw --force enable")
        firewall = [f["found"] for f in laptop.data("doctor", status=3)["odd"] if f["what"] == "firewall"]
        assert firewall == ["ufw is active, and no rule that could be read opens 80"]
        odd.ssh("ufw disable")
        # Somebody changes it back, as an upgrade may.
        odd.ssh("sed -i 's/^user web;/user www-data;/' /etc/nginx/nginx.conf && systemctl restart nginx")
        assert "change htpasswd (its group is web, but nginx's workers are in www-data)" in laptop.cli("plan", status=4)
        laptop.cli("deploy")
        with client.http("board.odd.test") as http:
            assert http.get("/").text == "hello\n"
        laptop.write(inventory({"odd": host("odd", user="admin")}, {"board": page()}))
        told = laptop.cli("plan", status=3)
        assert "admin@odd needs a password for sudo, and there is no terminal" in told
        for answer, outcome in (("wrong", "sudo on admin@odd rejected the password"), (ADMIN_PASSWORD, "to do.")):
            program, *words = laptop.command("plan")
            terminal = pexpect.spawn(program, words, env=laptop.environment, encoding="utf-8", timeout=60)
            terminal.expect("sudo password of admin@odd: ")
            terminal.sendline(answer)
            terminal.expect(outcome)
            terminal.close()


def german(odd: Host, folder: Path) -> None:
    """Have the host speak German to all who log in."""
    if not GERMAN.exists():
        pytest.skip("this machine has no German to give (Debian's package locales)")
    made = folder / "de_DE.utf8"
    subprocess.run(("localedef", "-i", "de_DE", "-f", "UTF-8", made), check=True)
    packed = subprocess.run(("tar", "-C", folder, "-c", made.name), check=True, capture_output=True).stdout
    line = ("ssh", "-F", str(odd.ssh_config), "odd", "tar -C /usr/lib/locale -x")
    subprocess.run(line, input=packed, check=True, stdout=subprocess.DEVNULL)
    odd.write("/etc/environment", "LANG=de_DE.UTF-8\n")
    said = odd.ssh("sudo -n true 2>&1 || true", user="admin")
    assert "Passwort" in said, said
