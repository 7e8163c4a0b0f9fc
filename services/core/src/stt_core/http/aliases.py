"""Other ways to the same: HEAD, a slash at the end of a path, the paths of Azure's client. Pure."""

import re

from starlette.types import Scope

DEPLOYMENT = "deployment"
"""Of a scope: the model that Azure's path names, where it is one of Azure's."""

ROOT = r"/(?:openai/v1|openai|v1)"
"""What Azure's client puts before its paths, by how it was told of the address."""
DEPLOYED = re.compile(ROOT + r"/deployments/(.+)/(audio/[a-z]+)")
"""A model's name may have a slash in it."""
AZURE = re.compile(r"/openai(?:/v1)?/(.+)")
PAGES = "/docs/"
"""Answers by itself: links are relative to it."""


def same(scope: Scope) -> Scope:
    """A request or websocket as it comes from those who ask the usual way."""
    path = scope["path"]
    if path not in ("/", PAGES):
        path = path.rstrip("/") or "/"
    known: dict[str, object] = {}
    if deployed := DEPLOYED.fullmatch(path):
        known[DEPLOYMENT], path = deployed[1], f"/v1/{deployed[2]}"
    elif azure := AZURE.fullmatch(path):
        path = f"/v1/{azure[1]}"
    if scope.get("method") == "HEAD":  # the web server leaves out the body by its own scope
        known["method"] = "GET"
    return {**scope, **known, "path": path}
