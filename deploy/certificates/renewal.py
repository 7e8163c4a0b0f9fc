"""The certificates of the hosts over the year: what each serves, who renews it, and renewing it now."""

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from deploy.certificates import acme, issuing
from deploy.certificates.issuing import RENEW_SHARE, Certificate
from deploy.config.stack import HostStack
from deploy.errors import INVENTORY, KitError
from deploy.render.units import LATE_SHARE
from deploy.reporting import Reporter
from deploy.state import records
from deploy.transport.targets import Target
from deploy.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """The certificate that a host serves. `own`: its own authority issued it. `days` are those that are left;
    `advice` is empty where it is well."""

    host: str
    own: bool
    issuer: str
    names: tuple[str, ...]
    begins: str
    ends: str
    days: int
    renewal: str
    advice: str


def standing(space: Workspace, host: HostStack) -> Standing:
    """Look at what one host serves. Raises KitError."""
    target = space.target(host)
    pem = target.read(issuing.chain_path(host.layout))
    there = issuing.seen(pem)
    if pem is None or there is None:
        advice = (
            "Run `greffier deploy` to issue the first one."
            if pem is None
            else "It cannot be read: run `greffier deploy` to replace it."
        )
        return Standing(host.name, False, "", (), "", "", 0, "", advice)
    own = issuing.own(target, there)
    return Standing(
        host.name,
        own,
        "the host's own authority" if own else issuer(there.issuer),
        tuple(sorted(there.names)),
        f"{there.begins:%Y-%m-%d}",
        f"{there.ends:%Y-%m-%d}",
        (there.ends - dt.datetime.now(dt.UTC)).days,
        _renewal(host, target, there, own=own),
        _advice(host, target, there, own=own),
    )


def _advice(host: HostStack, target: Target, there: Certificate, *, own: bool) -> str:
    """What to do about a certificate; empty where it is well."""
    if host.tls.mode == "letsencrypt":
        why = acme.too_old(host, target)
        if why:
            return f"Remove `profile` from the inventory: {why}."
        if own:
            return "Once DNS points here and port 80 is open, run `greffier deploy` or `greffier certs renew`."
        if not _timer(target):
            return f"Nothing renews it: run `systemctl enable --now {acme.TIMER}` on the host."
        why = _strays(host, target, there)
        if why:
            return why
    missing = sorted(set(host.names) - there.names)
    if missing:
        return f"It lacks {', '.join(missing)}: run `greffier deploy` to get one for every name."
    if not there.late(dt.datetime.now(dt.UTC)):
        return ""
    return {
        "letsencrypt": "Its renewal is overdue: run `greffier certs renew` to try now and see why.",
        "internal": "Run `greffier certs renew` or `greffier deploy` to issue another.",
        "files": "Provide a new one, then run `greffier deploy`.",
    }[host.tls.mode]


def _strays(host: HostStack, target: Target, there: Certificate) -> str:
    """What becomes of names that the authority would refuse; empty where there is none."""
    left = sorted(there.names - set(host.names))
    if left:
        return f"It still has {', '.join(left)}, which would block its renewal: run `greffier deploy` to drop that."
    strays = acme.astray(host, target)
    if not strays:
        return ""
    told = "; ".join(f"{name} {why}" for name, why in strays.items())
    if there.names.isdisjoint(strays):
        return f"It lacks {', '.join(strays)}: {told}. Point it here, then run `greffier deploy`."
    due = there.ends - (there.ends - there.begins) / LATE_SHARE
    return f"{told}: this blocks renewal, which from {due:%Y-%m-%d} leaves it out. Point it here, or remove it."


def renew(host: HostStack, target: Target, report: Reporter) -> str:
    """Get another certificate now, whatever time the one there has. Returns what was done; raises KitError."""
    if host.tls.mode == "files":
        raise KitError(
            f"You provide the certificate of {host.name}: Greffier cannot renew it.",
            f"Replace {host.tls.certificate} and its key on this machine, then run `greffier deploy`.",
            code=INVENTORY,
        )
    with target.lock("certs renew"):
        if not target.existing([host.layout.record]):
            raise KitError(
                f"Nothing is deployed to {host.name} yet.", "Run `greffier deploy`, which issues the first certificate."
            )
        if host.tls.mode == "letsencrypt":
            with report.step("Checking DNS"):
                request = acme.again(host, target)
            with report.step("Requesting a certificate"):
                left_out = {**request.left_out, **acme.obtain(host, target, request.names, anew=True)}
            if left_out:  # its hook has reloaded nginx for the others
                report.warn(acme.unissued(left_out))
        else:
            with report.step("Issuing a certificate"):
                issuing.install(host, target, {})
                if target.supervisor.running("nginx"):
                    target.supervisor.reload("nginx")
                records.certified(target, host, target.answer(issuing.served_digest(host.layout)))
    there = issuing.seen(target.read(issuing.chain_path(host.layout)))
    return f"renewed; valid until {there.ends:%Y-%m-%d}" if there else "renewed"


def _renewal(host: HostStack, target: Target, there: Certificate, *, own: bool) -> str:
    due = f"{there.ends - (there.ends - there.begins) * RENEW_SHARE:%Y-%m-%d}"
    match host.tls.mode:
        case "files":
            return "renewed by you"
        case "internal":
            return f"renewed by deploy, from {due}"
        case _ if own:
            return "replaced when Let's Encrypt issues one"
    looks = _timer(target)
    if not looks:
        return f"not renewed: {acme.TIMER} is not running"
    return f"renewed by certbot, from {due}; next check on {looks}"


def _timer(target: Target) -> str:
    """When certbot's timer looks next; empty where it does not run."""
    show = ("systemctl", "show", acme.TIMER, "--property", "ActiveState,NextElapseUSecRealtime")
    found = dict(line.split("=", 1) for line in target.run(show, check=False).splitlines() if "=" in line)
    if found.get("ActiveState") != "active":
        return ""
    words = found.get("NextElapseUSecRealtime", "").split()[1:]  # Sun 2026-11-22 03:10:06 UTC
    return f"{words[0]} {words[1][:5]} {words[2]}" if len(words) == 3 else "an unknown date"


def issuer(name: str) -> str:
    """Who issued it, of a distinguished name: the organisation and the authority's own name."""
    try:
        found = x509.Name.from_rfc4514_string(name)
    except ValueError:
        return name
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return " ".join(str(part.value) for kind in kinds for part in found.get_attributes_for_oid(kind)) or name
