"""A host made of paper, in place of ssh: it speaks as the agent does, keeps files in one document, and runs nothing.

PAPER_HOST names a file of JSON: `state` (the file with the document), `keep` (whether changes stay), `told` (a file
that gets the name of each operation), and `fault` [which operation, counted from 0, and what happens there]:

    refused    the operation is not done, for want of space
    failed     the command fails, with a stack trace
    nonsense   the command prints what it never prints, and the file holds it
    ends       the connection ends
    babble     something else speaks on the line
"""

import base64
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy.host import frames

NONSENSE = b'\xff{"services": 7}\nno such thing\n'
TRACE = b'Traceback (most recent call last):\n  File "/usr/bin/thing", line 1, in <module>\nOSError: it is broken\n'
MEMORY = 8 << 30


class Paper:
    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.path = Path(plan["state"])
        self.files: dict[str, str] = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.number = 0

    def serve(self) -> None:
        source, sink = sys.stdin.buffer, sys.stdout.buffer
        source.read(int(source.readline()))
        sink.write(frames.HELLO)
        sink.flush()
        while True:
            try:
                head, body = frames.receive(source)
            except frames.Ended:
                return
            if head["op"] == "ping":
                continue
            with open(self.plan["told"], "a") as told:
                print(head["op"], file=told)
            at, fault = self.plan["fault"] or (-1, "")
            fault = fault if self.number == at else ""
            self.number += 1
            if fault == "ends":
                print("Connection to vps closed by remote host.", file=sys.stderr)
                os._exit(255)
            if fault == "babble":
                sink.write(b"Welcome to vps! You have mail.\n")
                sink.flush()
            elif fault == "refused" or (fault == "failed" and head["op"] != "run"):
                frames.send(sink, {"event": "refused", "message": f"{head['op']}: No space left on device"})
            elif head["op"] == "run":
                self.run(head, body, fault)
            elif fault == "nonsense" and head["op"] == "read":
                frames.send(sink, {"event": "done", "there": True}, NONSENSE)
            else:
                answer = getattr(self, head["op"])(head, body) or {}
                content = answer.pop("content", b"")
                frames.send(sink, {"event": "done", **answer}, content)
            if self.plan["keep"]:
                new = self.path.with_suffix(f".{os.getpid()}")
                new.write_text(json.dumps(self.files))
                new.replace(self.path)  # whoever reads it meanwhile reads it whole

    # What the agent does.

    def hello(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        about = {"system": "debian", "version": "12", "codename": "bookworm", "python": "3.11.2", "machine": "x86_64"}
        return {"user": "root", "uid": 0, "memory": MEMORY, "time": time.time(), **about}

    def survey(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        found = {}
        for path in head["paths"]:
            if path in self.files:
                content = self.content(path)
                salted = hashlib.sha256(head.get("salt", "").encode() + content).hexdigest()
                digest = hashlib.sha256(content).hexdigest()
                text = content.decode(errors="replace")
                group = "www-data" if path.endswith("/htpasswd") else "root"
                rights = {"mode": 0o644, "owner": "root", "group": group, "size": len(content), "mtime_ns": 1}
                found[path] = {"digest": digest, "salted": salted, "text": text, **rights}
        asked = head.get("exist", ())
        return {
            "files": found,
            "exists": [path for path in asked if path.endswith(".sock") or self.below(path)],
            "models": {path: {} for path in head.get("models", ()) if f"{path}/.greffier.json" in self.files},
        }

    def read(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        there = head["path"] in self.files
        return {"there": there, "content": self.content(head["path"]) if there else b""}

    def write(self, head: dict[str, Any], body: bytes) -> None:
        offset = 0
        for entry in head["files"]:
            part = body[offset : offset + entry["size"]]
            self.files[entry["path"]] = base64.b64encode(part).decode()
            offset += entry["size"]

    def remove(self, head: dict[str, Any], body: bytes) -> None:
        for gone in head["paths"]:
            self.files = {path: text for path, text in self.files.items() if not f"{path}/".startswith(f"{gone}/")}

    def fetch(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        return {"status": 401 if head["tls"] else 200, "content": b"{}"}

    def holder(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        return {"holder": None}

    def nothing(self, head: dict[str, Any], body: bytes) -> None:
        pass

    folders = lock = unlock = afterwards = nothing

    # What the host's programs say.

    def run(self, head: dict[str, Any], body: bytes, fault: str) -> None:
        sink = sys.stdout.buffer
        said = NONSENSE if fault == "nonsense" else TRACE if fault == "failed" else self.said(head, body).encode()
        for line in said.splitlines(keepends=True):
            frames.send(sink, {"event": "line", "stream": 2 if fault == "failed" else 1}, line)
        while head.get("fed"):
            fed, part = frames.receive(sys.stdin.buffer)
            if fed["op"] == "feed":
                frames.send(sink, {"event": "fed"})
                head["fed"] = bool(part)
        frames.send(sink, {"event": "done", "status": 1 if fault == "failed" else 0})

    def said(self, head: dict[str, Any], body: bytes) -> str:
        program, command = head.get("program"), head["command"]
        if program == "overview":
            memory = {"whole": MEMORY, "free": MEMORY}
            asked = json.loads(body)
            made_of = [path for path in self.files if path.endswith("/compose.yml")]
            paths = [path for path in (*asked["files"], asked["config"], *made_of) if path in self.files]
            files = {path: self.content(path).decode() for path in paths}
            units = {"units": "active\nactive\n"}
            return json.dumps({"files": files, "commands": units, "services": self.services(), "memory": memory})
        if program == "resources":
            docker = {"version": "26.1.5", "root": "/var/lib/docker", "compose": "2.26.1"}
            free = {path: [1, 1 << 40] for path in (*json.loads(body)["free"], docker["root"])}
            return json.dumps({"memory": MEMORY, "docker": docker, "nginx": "", "free": free})
        if program == "neighbours":
            texts = dict.fromkeys(("sockets", "waiting", "units", "nginx", "refused"), "")
            tables: dict[str, Any] = {name: {} for name in ("processes", "texts", "links", "settings", "files")}
            return json.dumps({**texts, **tables, "containers": [], "aside": []})
        if program == "dns":
            return json.dumps(dict.fromkeys(json.loads(body)["names"], ""))
        if program == "models":
            (model,) = json.loads(body)["models"]
            folder = f"{json.loads(body)['directory']}/{model['name'].replace('/', '--')}"
            record = {"name": model["name"], "files": {}, "revision": None}
            self.files[f"{folder}/.greffier.json"] = base64.b64encode(json.dumps(record).encode()).decode()
            return json.dumps({"event": "ready", "model": model["name"], "revision": None, "files": {}})
        if "control" in command:
            services = self.services()
            name = command[-1]
            known = [{**entry, "state": "ready"} for entry in services if entry["name"] == name]
            return json.dumps({"services": services} if name == "status" else known[0] if known else {})
        if command[:2] == ["systemctl", "is-active"]:
            return "active\n" * (len(command) - 2)
        if command[0] == "find":
            stems = [path.rsplit("/", 1)[1] for path in self.files if path.startswith(f"{command[1]}/")]
            return "".join(f"{stem}\n" for stem in stems if stem.endswith(".json"))
        if command[0] == "df":
            return f"Avail\n{1 << 40}\n"
        if command[0] == "dpkg-query":
            return "installed"
        if command[:2] == ["sh", "-c"] and "docker" in command[2]:
            return "26.1.5\n"
        return ""

    def services(self) -> list[dict[str, Any]]:
        """As autostart tells of them."""
        config = self.files.get("/etc/greffier/autostart/config.json")
        entries = json.loads(base64.b64decode(config))["services"] if config else {}
        blank = {"state": "asleep", "since": 1.0, "inFlight": 0, "lastRequest": None, "lastError": None, "draining": []}
        return [
            {"name": e["name"], "hostname": hostname, "containers": e["containers"], "tcp": [], **blank}
            for hostname, e in entries.items()
        ]

    def below(self, folder: str) -> bool:
        return any(f"{path}/".startswith(f"{folder}/") for path in self.files)

    def content(self, path: str) -> bytes:
        return base64.b64decode(self.files[path])


if __name__ == "__main__" and "-G" not in sys.argv and "sys.stdin" in sys.argv[-1]:
    Paper(json.loads(Path(os.environ["PAPER_HOST"]).read_text())).serve()
