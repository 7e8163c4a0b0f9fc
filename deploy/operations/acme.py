"""Certificates of Let's Encrypt, or of another authority that speaks ACME: certbot does the work, on the host."""

import datetime as dt

from deploy.errors import KitError
from deploy.operations import apt
from deploy.operations.certificates import RENEW_SHARE, Certificate, seen
from deploy.render.units import HOOK
from deploy.stack import HostStack
from deploy.targets import Target

LINEAGE = "greffier"
LIVE = f"/etc/letsencrypt/live/{LINEAGE}/fullchain.pem"
RENEWAL = f"/etc/letsencrypt/renewal/{LINEAGE}.conf"
TIMER = "certbot.timer"
PROFILES = (4, 0)
"""Since this version certbot can ask for a profile of the authority's."""
CERTBOT_DAYS = 90
"""Lifetime that every certbot's own rule (30 days before the end) renews at a third of."""


def issued(target: Target) -> Certificate | None:
    """The certificate that certbot keeps, if there is one."""
    return seen(target.read(LIVE))


def reason(host: HostStack, target: Target) -> str:
    """Why one must be asked for; empty where the one there will do."""
    there = issued(target)
    if there is None:
        return "Let's Encrypt has not issued one yet"
    missing = sorted(set(host.names) - there.names)
    if missing:
        return f"the one there lacks {', '.join(missing)}"
    return "the one there has ended" if there.ends < dt.datetime.now(dt.UTC) else ""


def version(target: Target) -> tuple[int, ...]:
    """certbot's on the host; empty where there is none."""
    return apt.numbers(target.run(("sh", "-c", "certbot --version 2>&1"), check=False).strip().rpartition(" ")[2])


def too_old(host: HostStack, target: Target) -> str:
    """Why certbot cannot ask for the profile of the inventory; empty where it can, or none is asked for."""
    if not host.tls.profile:
        return ""
    there = version(target)
    if there >= PROFILES:
        return ""
    shown = ".".join(map(str, there)) or "there"
    return f"certbot {shown} is too old for the profile {host.tls.profile}: that came with certbot 4.0"


def obtain(host: HostStack, target: Target, *, again: bool = False) -> None:
    """Ask for a certificate for every name; the hook puts it in place. One that will do is asked for anew only with
    `again`. Raises KitError with certbot's words."""
    tls = host.tls
    why = too_old(host, target)
    if why:
        hint = "Take `profile` out of the inventory, or bring a newer certbot to the host (Debian 13 has one)."
        raise KitError(f"No certificate was asked for: {why}.", hint)
    command = [
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--webroot", "--webroot-path",
        f"{host.layout.var}/acme", "--cert-name", LINEAGE, "--expand", "--deploy-hook", HOOK,
        *(("--email", tls.email) if tls.email else ("--register-unsafely-without-email",)),
        *(("--test-cert",) if tls.staging else ()),
        *(("--server", tls.server) if tls.server else ()),
        *(("--required-profile", tls.profile) if tls.profile else ()),
        *(("--force-renewal",) if again else ()),
    ]  # fmt: skip
    for name in host.names:
        command += ["--domain", name]
    try:
        target.run(command)
    except KitError as error:
        raise KitError(
            f"No certificate was issued for {', '.join(host.names)}; nginx goes on with the one it has.",
            "Do all of these names point at the host, and is port 80 open? Deploy again when they do.",
            output=error.output,
        ) from None
    _renew_in_time(target)


def _renew_in_time(target: Target) -> None:
    """Renew at a third of the lifetime, for certificates shorter than certbot's rule is made for."""
    there, text = issued(target), target.read(RENEWAL)
    if there is None or text is None:
        return
    lifetime = there.ends - there.begins
    if lifetime >= dt.timedelta(days=CERTBOT_DAYS - 1):
        return
    lines = [line for line in text.decode().splitlines() if not line.startswith("renew_before_expiry")]
    hours = max(1, round(lifetime * RENEW_SHARE / dt.timedelta(hours=1)))
    target.write(
        RENEWAL, "\n".join([f"renew_before_expiry = {hours} hours", *lines, ""]).encode(), 0o644, "root", "root"
    )
