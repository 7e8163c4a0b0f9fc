"""The page a browser shows while a service starts: self-contained, without script."""

from __future__ import annotations

from html import escape
from string import Template

from .states import State

_WORDS = {
    State.STARTING: (
        "is waking up",
        "It was asleep and is loading its model. This page opens it as soon as it is ready.",
    ),
    State.DRAINING: (
        "is restarting",
        "It is finishing earlier requests. This page opens it when it is ready.",
    ),
    State.PAUSED: (
        "is being updated",
        "A new release is being deployed. This page opens it when it is ready.",
    ),
    State.FAILED: ("could not be started", "This page tries again when it reloads."),
}

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="$refresh">
<title>$service $words</title>
<style>
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6878; --paper: #f6f7f9; --card: #fff;
  --line: #e2e6ec; --mark: #3b6fd4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --soft: #9aa5b5; --paper: #14171c; --card: #1c2027;
    --line: #2c323c; --mark: #7ea6f5; }
}
.failed { --mark: #cf4a3c; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 34rem; width: 100%; padding: 2.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px; }
h1 { margin: 1.25rem 0 .5rem; font-size: 1.35rem; line-height: 1.3; overflow-wrap: anywhere; }
p { margin: 0; color: var(--soft); }
pre { margin: 1.25rem 0 0; padding: .8rem 1rem; border-left: 3px solid var(--mark); background: var(--paper);
  white-space: pre-wrap; overflow-wrap: anywhere; font: .875rem/1.5 ui-monospace, monospace; }
.bars { display: flex; gap: 5px; height: 28px; align-items: center; }
.bars i { width: 5px; height: 30%; border-radius: 3px; background: var(--mark); }
@media (prefers-reduced-motion: no-preference) {
  .waiting .bars i { animation: speak 1.1s ease-in-out infinite; }
  .bars i:nth-child(2) { animation-delay: .12s !important; }
  .bars i:nth-child(3) { animation-delay: .24s !important; }
  .bars i:nth-child(4) { animation-delay: .36s !important; }
  .bars i:nth-child(5) { animation-delay: .48s !important; }
}
@keyframes speak { 50% { height: 100%; } }
</style>
</head>
<body class="$kind">
<main role="status">
<div class="bars" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i></div>
<h1>$service $words</h1>
<p>$explanation</p>
$reason
</main>
</body>
</html>
""")


def waiting_page(service: str, state: State, reason: str | None, refresh: int) -> str:
    """The page's HTML. `reason` is why nothing is being started; `refresh` in seconds."""
    words, explanation = _WORDS.get(State.FAILED if reason else state, _WORDS[State.STARTING])
    return _PAGE.substitute(
        service=escape(service),
        words=words,
        explanation=explanation,
        kind="failed" if reason else "waiting",
        reason=f"<pre>{escape(reason)}</pre>" if reason else "",
        refresh=refresh,
    )
