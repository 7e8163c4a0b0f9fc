"""The plan between what is wanted, what is there and what was recorded."""

from dataclasses import replace

from deploy.state import plan
from deploy.state.plan import Have, Plan, Record, Survey, Wanted
from deploy.types import Effect, File, Reference, digest

RELOAD = (Effect("reload", "nginx"),)
VHOST, CONFIG, SECRET, INDEX = "/etc/nginx/conf.d/a.conf", "/etc/g/config.json", "/etc/g/.env", "/etc/g/index.html"
TEXT = {VHOST: "server {}\n", CONFIG: "{}\n", SECRET: "A='x'\n", INDEX: "<p>\n"}
TREE = {
    VHOST: File((TEXT[VHOST],), 0o644, "root", "root", RELOAD),
    CONFIG: File((TEXT[CONFIG],), 0o640, "root", "greffier", (Effect("reload", "autostart"),)),
    SECRET: File(("A='", Reference("env", "A"), "'\n"), 0o640, "root", "greffier", (Effect("restart", "whisper"),)),
    INDEX: File((TEXT[INDEX],), 0o644, "root", "root"),
}
WANTED = Wanted(
    TREE,
    {path: digest(text) for path, text in TEXT.items()},
    {path: digest("salt" * (path == SECRET) + text) for path, text in TEXT.items()},
    [("/opt/code", "the code")],
    ["a/model"],
    {"nginx": "1", "autostart": "r1"},
    {"greffier-whisper": "whisper"},
)
HAVE = Survey(
    {p: Have(digest(TEXT[p]), f.mode, f.owner, f.group, None if p == SECRET else TEXT[p]) for p, f in TREE.items()},
    frozenset({"/opt/code"}),
    frozenset({"a/model"}),
    {"nginx": "1", "autostart": "r1"},
    "",
    False,
    {"greffier-whisper": "whisper"},
)
RECORD = Record(dict(WANTED.recorded), "0.1.0", 3)


def steps(made: Plan) -> list[str]:
    return [str(step) for step in made.steps]


def changed(path: str, **more: object) -> Survey:
    return replace(HAVE, files={**HAVE.files, path: replace(HAVE.files[path], **more)})


def without(path: str) -> Survey:
    return replace(HAVE, files={p: have for p, have in HAVE.files.items() if p != path})


def test_nothing_to_do() -> None:
    made = plan.make(WANTED, HAVE, RECORD)
    assert made.empty and made.steps == ()


def test_a_bare_host_gets_everything_and_starts_what_does_not_run() -> None:
    made = plan.make(
        WANTED, Survey({}, frozenset(), frozenset(), {}, "there is none", False, {}), Record({}, "0.1.0", 0)
    )
    assert made.write == tuple(TREE) and made.start == ("nginx", "autostart")
    assert made.models == ("a/model",) and made.images == ("/opt/code",) and made.certificate
    # What starts anew needs no reload.
    assert made.effects == (Effect("restart", "whisper"),)


def test_each_difference_is_a_step_with_its_reason() -> None:
    table = {
        "a file is missing": (without(INDEX), [f"+ create {INDEX}: missing"], ()),
        "a vhost is missing": (
            without(VHOST),
            [f"+ create {VHOST}: missing", "> reload nginx: a.conf changed"],
            RELOAD,
        ),
        "another content": (
            changed(CONFIG, digest="0", text="old\n"),
            [f"~ change {CONFIG}: content changed", "> reload autostart: config.json changed"],
            (Effect("reload", "autostart"),),
        ),
        "another secret": (
            changed(SECRET, digest="0"),
            [f"~ change {SECRET}: settings or secrets changed", "> restart whisper: .env changed"],
            (Effect("restart", "whisper"),),
        ),
        "other rights": (
            changed(INDEX, mode=0o666),
            [f"~ change {INDEX}: 0666 root:root, should be 0644 root:root"],
            (),
        ),
        "a model is gone": (
            replace(HAVE, models=frozenset()),
            ["+ create model a/model: missing or incomplete"],
            (),
        ),
        "code is not built": (replace(HAVE, images=frozenset()), ["+ create the code: not on the host yet"], ()),
        "a certificate ends": (
            replace(HAVE, certificate="the current one expires on 2030-01-01"),
            [
                "+ create certificate: the current one expires on 2030-01-01",
                "> reload nginx: the certificate changed",
            ],
            RELOAD,
        ),
        "nothing runs": (
            replace(HAVE, units={}),
            ["> restart nginx: not running", "> restart autostart: not running"],
            (),
        ),
        "other code runs": (
            replace(HAVE, units={"nginx": "1", "autostart": "r0"}),
            ["> restart autostart: its code changed"],
            (),
        ),
    }
    for name, (have, said, effects) in table.items():
        made = plan.make(WANTED, have, RECORD)
        assert (steps(made), made.effects) == (said, effects), name


def test_a_difference_is_shown_but_never_that_of_a_secret() -> None:
    shown = plan.make(WANTED, changed(CONFIG, digest="0", text="old\n"), RECORD).steps[0].diff
    assert "-old\n" in shown and "+{}\n" in shown
    assert all(not step.diff for step in plan.make(WANTED, changed(SECRET, digest="0"), RECORD).steps)


def test_what_is_recorded_and_no_longer_wanted_goes_and_nothing_else() -> None:
    old, foreign = "/etc/nginx/conf.d/old.conf", "/etc/nginx/conf.d/mine.conf"
    there = Have("1", 0o644, "root", "root", None)
    have = replace(HAVE, files={**HAVE.files, old: there, foreign: there})
    made = plan.make(WANTED, have, replace(RECORD, files={**RECORD.files, old: "1"}))
    assert made.remove == (old,) and made.effects == RELOAD
    assert steps(made)[0] == f"- remove {old}: no longer needed"


def test_an_apply_that_was_cut_off_still_owes_its_reload() -> None:
    # All files are as they shall be, but the record, written last, is of the time before.
    before = replace(RECORD, files={**RECORD.files, VHOST: "0"})
    made = plan.make(WANTED, HAVE, before)
    assert made.effects == RELOAD and made.write == () and not made.empty
    # The same for a file that was to go, and went.
    before = replace(RECORD, files={**RECORD.files, "/etc/nginx/conf.d/old.conf": "1"})
    made = plan.make(WANTED, HAVE, before)
    assert made.effects == RELOAD and made.remove == () and not made.empty


def test_a_start_stands_for_its_reloads() -> None:
    made = plan.make(WANTED, replace(without(VHOST), units={"autostart": "r1"}), RECORD)
    assert made.start == ("nginx",) and made.effects == ()


def test_what_somebody_changed_on_the_host_is_named() -> None:
    theirs = changed(CONFIG, digest="0", text="old\n", ours=False)
    made = plan.make(WANTED, theirs, RECORD)
    assert made.drifted == (CONFIG,) and "changed on the host" in made.steps[0].why
    assert plan.make(WANTED, changed(CONFIG, digest="0", text="old\n"), RECORD).drifted == ()
    # One that is as it is wanted is nobody's business, whoever wrote it.
    assert plan.make(WANTED, changed(CONFIG, ours=False), RECORD).empty
    old = "/etc/g/old"
    have = replace(HAVE, files={**HAVE.files, old: Have("1", 0o644, "root", "root", None, ours=False)})
    assert plan.make(WANTED, have, replace(RECORD, files={**RECORD.files, old: "2"})).drifted == (old,)


def test_of_a_file_with_secrets_the_names_of_changed_settings_are_told() -> None:
    made = plan.make(WANTED, changed(SECRET, digest="0", keys=("A", "B")), RECORD)
    assert steps(made)[0] == f"~ change {SECRET}: A, B changed"


def test_a_container_that_is_gone_is_made_anew_and_one_that_was_left_is_removed() -> None:
    there = {"greffier-whisper_2": "whisper", "somebody-elses": "other"}
    made = plan.make(WANTED, replace(HAVE, containers=there), RECORD)
    assert made.effects == (Effect("restart", "whisper"),)
    assert made.orphans == ("greffier-whisper_2",)
    assert [str(step) for step in made.steps] == [
        "- remove container greffier-whisper_2: left by an earlier release",
        "> restart whisper: its container is missing",
    ]
