"""The package sources that a test host sees: Debian's, Docker's and an index of wheels, as folders of files.

    python3 repository.py PACKAGES TOOLS KEYRING SUITE...    # PACKAGES/debian/pool/SUITE is there for each of them;
                                                             # TOOLS holds Docker's .deb files
    python3 repository.py --index WHEELS SIMPLE

Run by `prepare` with the system's Python: the standard library, dpkg-deb and gpg.
"""

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Docker publishes these names; Debian has the same programs under others. What a Docker package is made of:
# name, the Debian packages in it, what it depends on.
DOCKER = (
    ("containerd.io", ("containerd", "runc"), "libc6, libseccomp2"),
    ("docker-ce-cli", ("docker-cli",), "libc6"),
    ("docker-buildx-plugin", ("docker-buildx",), "libc6"),
    ("docker-compose-plugin", ("docker-compose",), "libc6"),
    ("docker-ce", ("docker.io",), "adduser, containerd.io, docker-ce-cli, iptables, libc6, libsystemd0, tini"),
)


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def repackage(name: str, parts: tuple[str, ...], depends: str, tools: Path, pool: Path) -> None:
    """Write Docker's package `name` with the files of Debian's `parts` and the scripts of the first of them."""
    debs = [next(tools.glob(f"{part}_*.deb")) for part in parts]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        run("dpkg-deb", "--raw-extract", debs[0], tree)
        for deb in debs[1:]:
            run("dpkg-deb", "--extract", deb, tree)
        control = dict(
            line.split(": ", 1) for line in run("dpkg-deb", "--field", debs[0]).splitlines() if re.match(r"[A-Z]", line)
        )
        fields = {
            "Package": name,
            "Version": control["Version"],
            "Architecture": control["Architecture"],
            "Maintainer": control["Maintainer"],
            "Depends": depends,
            "Conflicts": ", ".join(parts),
            "Replaces": ", ".join(parts),
            "Section": "admin",
            "Priority": "optional",
            "Description": f"{name}, made of Debian's {' and '.join(parts)}",
        }
        (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        (tree / "DEBIAN/md5sums").unlink(missing_ok=True)
        # Debian's script looks for the conffiles of the package it came with.
        for script in ("preinst", "postinst", "prerm", "postrm"):
            if (tree / "DEBIAN" / script).exists():
                text = (tree / "DEBIAN" / script).read_text()
                (tree / "DEBIAN" / script).write_text(text.replace("docker.io", name))
        run("dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", tree, pool)


def sign(source: Path, pool: Path, suite: str, component: str, origin: str, keyring: Path) -> None:
    """Write the indexes of the .deb files in `pool`, a folder below `source`, signed."""
    arch = run("dpkg", "--print-architecture").strip()
    dist = source / "dists" / suite
    folder = dist / component / f"binary-{arch}"
    folder.mkdir(parents=True)
    entries = []
    for deb in sorted(pool.glob("*.deb")):
        data = deb.read_bytes()
        entries.append(
            run("dpkg-deb", "--field", deb)
            + f"Filename: {deb.relative_to(source)}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    packages = folder / "Packages"
    packages.write_text("\n".join(entries))
    digest, size = hashlib.sha256(packages.read_bytes()).hexdigest(), packages.stat().st_size
    now = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    release = dist / "Release"
    release.write_text(
        f"Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\nDate: {now}\n"
        f"Architectures: {arch}\nComponents: {component}\n"
        f"SHA256:\n {digest} {size} {packages.relative_to(dist)}\n"
    )
    run("gpg", "--homedir", keyring, "--batch", "--yes", "--output", dist / "InRelease", "--clearsign", release)
    run("gpgconf", "--homedir", keyring, "--kill", "gpg-agent")


def index(wheels: Path, simple: Path) -> None:
    """Write the pages of a package index (PEP 503) in `simple`, with links to the wheels beside them."""
    shutil.rmtree(simple, ignore_errors=True)
    projects: dict[str, list[Path]] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        projects.setdefault(re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower(), []).append(wheel)
    for name, files in projects.items():
        folder = simple / name
        folder.mkdir(parents=True)
        links = []
        for wheel in files:
            os.link(wheel, folder / wheel.name)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            links.append(f'<a href="{html.escape(wheel.name)}#sha256={digest}">{html.escape(wheel.name)}</a><br>')
        (folder / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(links) + "\n")


def main(arguments: list[str]) -> None:
    if arguments[0] == "--index":
        index(Path(arguments[1]), Path(arguments[2]))
        return
    packages, tools, keyring = map(Path, arguments[:3])
    pool = packages / "docker/pool"
    pool.mkdir(parents=True)
    for name, parts, depends in DOCKER:
        repackage(name, parts, depends, tools, pool)
    for suite in arguments[3:]:
        sign(packages / "debian", packages / "debian/pool" / suite, suite, "main", "Debian", keyring)
        sign(packages / "docker", pool, suite, "stable", "Docker", keyring)


if __name__ == "__main__":
    main(sys.argv[1:])
