"""Certificates of Let's Encrypt, or of another authority that speaks ACME: certbot does the work, on the host."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.certificates.issuing import RENEW_SHARE, Certificate, seen
from deploy.config.stack import HostStack
from deploy.errors import KitError
from deploy.render.units import HOOK, LINEAGE, LIVE, RENEWAL
from deploy.setup import apt
from deploy.transport import asking
from deploy.transport.asking import Asking
from deploy.transport.connection import Lost, Refusal
from deploy.transport.targets import Target
from deploy.types import Layout

TIMER = "certbot.timer"
PROFILES = (4, 0)
"""Since this version certbot can ask for a profile of the authority's."""
CERTBOT_DAYS = 90
"""Lifetime that every certbot's own rule (30 days before the end) renews at a third of."""
PAUSE = dt.timedelta(hours=1)
"""A name that failed is not asked for again before: the authority counts, and after five it asks for an hour itself
(https://letsencrypt.org/docs/rate-limits/)."""


@dataclass(frozen=True)
class Request:
    """What to ask for, and what not: of each other name of the host, why. Nothing where `names` is empty."""

    names: tuple[str, ...]
    left_out: Mapping[str, str]


def issued() -> Asking[Certificate | None]:
    """The certificate that certbot keeps, if there is one."""
    return seen((yield from asking.read(LIVE)))


def reason(host: HostStack) -> Asking[str]:
    """Why one must be asked for; empty where the one there will do."""
    there = yield from issued()
    if there is None:
        return "Let's Encrypt has not issued one yet"
    missing = sorted(set(host.names) - there.names)
    if missing:
        return f"the current one lacks {', '.join(missing)}"
    left = sorted(there.names - set(host.names))
    if left:
        return f"the current one still has {', '.join(left)}, which would block its renewal"
    return "the current one has expired" if there.ends < dt.datetime.now(dt.UTC) else ""


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
    return f"certbot {shown} is too old for the profile {host.tls.profile}, which needs certbot 4.0"


def astray(host: HostStack, target: Target) -> dict[str, str]:
    """The names of a host that do not point at it, by what the host finds; each with why."""
    found = target.look("pointing", {"names": list(host.names), "webroot": f"{host.layout.var}/acme"})
    return {name: str(found[name]) for name in host.names if found.get(name)}


def request(host: HostStack, target: Target) -> Request:
    """What a deploy asks for: every name that points here, but for those that failed within the hour."""
    there, now = target.answer(issued()), dt.datetime.now(dt.UTC)
    failed = {name: _recently(at) for name, at in _failed(target).items() if now < at + PAUSE}
    wrong = failed | astray(host, target)
    left_out = {name: wrong[name] for name in host.names if name in wrong}
    names = tuple(name for name in host.names if name not in wrong)
    if there and now < there.ends and there.names.issuperset(names):
        # Nothing to add. What is on it already stays, though it may not point here just now.
        lost = not there.names.isdisjoint(left_out) and not there.late(now)
        if lost or there.names <= set(host.names):
            return Request((), {name: why for name, why in left_out.items() if name not in there.names})
    return Request(names, left_out)


def again(host: HostStack, target: Target) -> Request:
    """What a renewal asks for: nothing is to be lost by it. Raises KitError for a name on the one there that does not
    point here, while that is good for a while."""
    there, wrong = target.answer(issued()), astray(host, target)
    if wrong and len(wrong) == len(host.names):
        raise KitError(unissued(wrong), "Point them at the host, then try again.")
    kept = {name: why for name, why in wrong.items() if there and name in there.names}
    if there and kept and not there.late(dt.datetime.now(dt.UTC)):
        hint = f"The current one is valid until {there.ends:%Y-%m-%d} and covers what a new one would lack."
        raise KitError(unissued(kept), hint)
    return Request(tuple(name for name in host.names if name not in wrong), wrong)


def unissued(left_out: Mapping[str, str]) -> str:
    """Which names got no certificate, and why, in one sentence."""
    reasons = "; ".join(f"{name if len(left_out) > 1 else 'it'} {why}" for name, why in left_out.items())
    return f"No certificate was issued for {', '.join(left_out)}: {reasons}."


def obtain(host: HostStack, target: Target, names: Iterable[str], *, anew: bool = False) -> dict[str, str]:
    """Ask for a certificate for these names; the hook puts it in place. One that will do is asked for anew only with
    `anew`. Returns the names that did not get it, with why. Raises KitError with certbot's words where none did."""
    tls, names = host.tls, tuple(names)
    why = too_old(host, target)
    if why:
        hint = "Remove `profile` from the inventory, or install a newer certbot on the host (Debian 13 has one)."
        raise KitError(f"No certificate was requested: {why}.", hint)
    command = [
        "certbot", "certonly", "--non-interactive", "--agree-tos", "--webroot", "--webroot-path",
        f"{host.layout.var}/acme", "--cert-name", LINEAGE, "--renew-with-new-domains", "--allow-subset-of-names",
        "--deploy-hook", HOOK,
        *(("--email", tls.email) if tls.email else ("--register-unsafely-without-email",)),
        *(("--test-cert",) if tls.staging else ()),
        *(("--server", tls.server) if tls.server else ()),
        *(("--required-profile", tls.profile) if tls.profile else ()),
        *(("--force-renewal",) if anew else ()),
    ]  # fmt: skip
    for name in names:
        command += ["--domain", name]
    try:
        target.run(command)
    except (Lost, Refusal):
        raise
    except KitError as error:
        _remember(target, names, names)
        raise KitError(
            f"No certificate was issued for {', '.join(names)}; nginx keeps the one it has.",
            "Check that all of these names point at the host and that port 80 is open. `greffier deploy` tries again "
            "after an hour, `greffier certs renew` at once.",
            output=error.output,
        ) from None
    there = target.answer(issued())
    failed = [name for name in names if there is None or name not in there.names]
    _remember(target, names, failed)
    _settle(target)
    return {name: "failed the authority's check: is port 80 open at each of its addresses?" for name in failed}


def _recently(at: dt.datetime) -> str:
    return f"failed at {at:%H:%M} UTC; `greffier deploy` tries again from {at + PAUSE:%H:%M}, `certs renew` at once"


def _memory(layout: Layout) -> str:
    """The file of what failed lately, on the host: another laptop shall not ask again either."""
    return f"{layout.var}/acme/failed.json"


def _failed(target: Target) -> dict[str, dt.datetime]:
    """When each name failed last."""
    try:
        found = json.loads(target.read(_memory(target.layout)) or b"{}")
        return {str(name): dt.datetime.fromtimestamp(float(at), dt.UTC) for name, at in found.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        return {}


def _remember(target: Target, asked: Iterable[str], failed: Iterable[str]) -> None:
    now = dt.datetime.now(dt.UTC)
    kept = {name: at for name, at in _failed(target).items() if name not in set(asked) and now < at + PAUSE}
    known = kept | dict.fromkeys(failed, now)
    layout = target.layout
    content = json.dumps({name: round(at.timestamp()) for name, at in sorted(known.items())}) + "\n"
    target.write(_memory(layout), content.encode(), 0o600, layout.root, layout.root_group)


def _settle(target: Target) -> None:
    """How certbot renews it: every name or none, since one that fails now and then must not be lost, and at a third of
    the lifetime, for certificates shorter than certbot's own rule is made for."""
    there, text = target.answer(issued()), target.read(RENEWAL)
    if there is None or text is None:
        return
    lifetime = there.ends - there.begins
    brief = lifetime < dt.timedelta(days=CERTBOT_DAYS - 1)
    settings = ("allow_subset_of_names", *(("renew_before_expiry",) if brief else ()))
    lines = [line for line in text.decode(errors="surrogateescape").splitlines() if not line.startswith(settings)]
    if brief:
        hours = max(1, round(lifetime * RENEW_SHARE / dt.timedelta(hours=1)))
        lines.insert(0, f"renew_before_expiry = {hours} hours")
    content = "\n".join([*lines, ""]).encode(errors="surrogateescape")
    if content != text:
        target.write(RENEWAL, content, 0o644, "root", "root")
