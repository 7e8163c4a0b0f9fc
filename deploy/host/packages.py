"""Files that lie in a package of a package index: which archive has them, and how to get them out of it."""

import base64
import configparser
import contextlib
import html.parser
import json
import os
import re
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from deploy.host.wanted import DIGEST, FILE, Failure, File, Member, shown, web_address
from deploy.host.web import Server

PUBLIC_INDEX = "https://pypi.org/simple"  # pip's own default
MAX_UNPACKED = 4 << 30  # bytes of an sdist that are read in search of a member
Link = tuple[str, str, File]  # file name, address, digest of the whole archive
NOTHING: Link = ("", "", File(None, None))
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def pip_index(environment: Mapping[str, str], home: Path) -> str:
    """The index that pip takes packages from: PIP_INDEX_URL, or `index-url` of the most specific pip.conf."""
    if environment.get("PIP_INDEX_URL"):
        return web_address(environment["PIP_INDEX_URL"], "PIP_INDEX_URL")
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    named = environment.get("PIP_CONFIG_FILE")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        user,
        *([Path(named)] if named else []),
    ]
    settings = configparser.RawConfigParser(strict=False)
    try:
        settings.read([] if named == os.devnull else files)
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise Failure(f"pip's configuration cannot be read ({error})") from None
    return web_address(settings.get("global", "index-url", fallback=PUBLIC_INDEX), "pip.conf: global.index-url")


def connect_index(address: str, timeout: float) -> Server:
    """The user and password of an index's address are sent as a header, to that origin alone."""
    parts = urllib.parse.urlsplit(address)
    user, _, host = parts.netloc.rpartition("@")
    secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
    return Server(parts._replace(netloc=host).geturl(), timeout, f"Basic {secret}" if user else None)


class Anchors(html.parser.HTMLParser):
    """The addresses of the links on a page of a simple index, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for key, value in attrs if tag == "a" and key == "href" and value]


def normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def find_archive(index: Server, wanted: Member) -> tuple[str, str, File]:
    """File name, address and digest of the archive that has the member, from the index's JSON or HTML page.

    Everything in an sdist lies under a folder NAME-VERSION, and nothing in a wheel does: so the member tells
    which of the two it is.
    """
    package, version = normal(wanted.package), wanted.version
    page, kind, base = index.document(f"{index.address}/{package}/", ACCEPT)
    try:
        found = links_in_json(page) if kind.endswith("json") else links_in_html(page)
        head, _, tail = wanted.member.partition("/")[0].rpartition("-")
        identify = sdist if (normal(head), tail) == (package, version) else wheel
        fitting = [each for each in found if FILE.fullmatch(each[0]) and identify(each[0]) == (package, version)]
        # Of several wheels, the one for any platform.
        name, address, file = min(
            fitting, key=lambda each: (not each[0].endswith("-any.whl"), each[0]), default=NOTHING
        )
        address = urllib.parse.urljoin(base, address)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Failure(f"{shown(index.address)}/{package}/ is no page of a package index") from None
    if not name:
        raise Failure(f"{shown(index.address)} has no {wanted.package} {version} that could carry {wanted.member}")
    return name, web_address(address, f"the address of {name}"), file


def links_in_json(page: bytes) -> list[Link]:
    return [
        (each["filename"], each["url"], read_digest(each["hashes"].get("sha256"), each.get("size")))
        for each in json.loads(page)["files"]
    ]


def links_in_html(page: bytes) -> list[Link]:
    anchors = Anchors()
    anchors.feed(page.decode(errors="replace"))
    parts = [urllib.parse.urlsplit(address) for address in anchors.addresses]
    return [
        (
            urllib.parse.unquote(each.path.rpartition("/")[2]),
            each._replace(fragment="").geturl(),
            read_digest(each.fragment.removeprefix("sha256="), None),
        )
        for each in parts
    ]


def read_digest(sha256: object, size: object) -> File:
    """An index need not say either; then the digest of what is taken out of the archive decides alone."""
    known = isinstance(sha256, str) and DIGEST.fullmatch(sha256)
    return File(str(sha256) if known else None, size if isinstance(size, int) else None)


def wheel(name: str) -> tuple[str, str] | None:
    package, _, rest = name.partition("-")
    return (normal(package), rest.partition("-")[0]) if name.endswith(".whl") else None


def sdist(name: str) -> tuple[str, str] | None:
    package, _, version = name.removesuffix(".tar.gz").rpartition("-")
    return (normal(package), version) if name.endswith(".tar.gz") else None


@contextlib.contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """The bytes of one member, as a stream. Raises Failure when the archive has no such file or is broken."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as entries, entries.open(member) as content:
                yield content
            return
        with tarfile.open(archive, "r|gz") as stream:
            for entry in stream:
                if entry.offset_data + entry.size > MAX_UNPACKED:
                    break
                found = stream.extractfile(entry) if entry.isreg() and entry.name == member else None
                if found:
                    yield found
                    return
    except KeyError:  # zipfile's word for a member that is not there
        pass
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError) as error:
        raise Failure(f"{archive.name} is broken ({error})") from None
    raise Failure(f"{archive.name} has no file {member}")
