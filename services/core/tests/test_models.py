"""Several models: their names, which of them are in memory, and requests for different ones at once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from weakref import ref

import pytest
from toy import Toy

from stt_core import memory, settings
from stt_core.engine.model_cache import STAY, ModelCache
from stt_core.engine.models import ALIASES, Models
from stt_core.engine.protocol import Capabilities, Window, WindowResult
from stt_core.errors import ApiError, NotFound, StartError
from stt_core.kind import Kind
from stt_core.settings import Settings
from stt_testing import sounds
from stt_testing.service import Service, serving

BASE = "Systran/faster-whisper-base"
SMALL = "Systran/faster-whisper-small.en"
TURBO = "a/faster-whisper-turbo-ct2"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("", BASE),
        *((alias, BASE) for alias in ALIASES),
        ("gpt-4o-mini-transcribe-2025-12-15", BASE),
        (BASE, BASE),
        ("openai/whisper-base", BASE),
        ("whisper-base", BASE),
        ("base", BASE),
        ("openai/whisper-small.en", SMALL),
        ("small.en", SMALL),
        ("large-v3-turbo", TURBO),
        ("turbo", TURBO),
        ("best", SMALL),
        ("mine", BASE),
    ],
)
def test_names(name: str, model: str) -> None:
    assert Models(BASE, (SMALL, TURBO), {"best": "small.en", "mine": "whisper-1"}).resolve(name) == model


@pytest.mark.parametrize(
    "name", ["whisper-9", "small", "somebody/faster-whisper-base", "whisper-1-2025", "/", "x" * 999]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(NotFound) as caught:
        Models(BASE, (SMALL,)).resolve(name)
    assert BASE in caught.value.message and SMALL in caught.value.message
    assert len(caught.value.message) < 500


def test_the_list_has_the_models_and_the_aliases() -> None:
    models = Models(BASE, (SMALL,), {"whisper-1": "small.en", "best": SMALL})
    assert models.resolve("whisper-1") == SMALL
    assert [one.id for one in models.all().data] == [BASE, SMALL, *ALIASES, "best"]
    with pytest.raises(StartError, match=r"STT_MODEL_ALIASES.*'nothing'.*'best'"):
        Models(BASE, aliases={"best": "nothing"})


def test_settings() -> None:
    environment = {"STT_MODELS": " a/b, c ,,c", "STT_MODEL_ALIASES": "x=base, y = a/b"}
    found = settings.from_environment(environment)
    assert found.models == ("a/b", "c")
    assert found.model_aliases == {"x": "base", "y": "a/b"}
    with pytest.raises(StartError, match="STT_MODEL_ALIASES"):
        settings.from_environment({"STT_MODEL_ALIASES": "x"})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_least_recently_used_is_put_away_for_what_is_over_the_budget() -> None:
    sizes = {"a": 4, "b": 4, "c": 3, "huge": 99}
    cache = ModelCache(Toy, 8, sizes.__getitem__, measured=False)
    first = cache.get("a")
    cache.get("b")
    assert cache.get("a") is first
    cache.get("c")
    assert cache.costs == {"a": 4, "c": 3}
    cache.get("huge")  # over the budget whatever gives way: it is kept alone
    assert cache.costs == {"huge": 99}
    gone = ref(first)
    del first
    assert gone() is None
    cache.get("a")
    assert cache.costs == {"a": 4}
    assert cache.able("huge") is not None and cache.able("never") is None


def test_a_model_stays_a_while_before_it_gives_way() -> None:
    clock = Clock()
    cache = ModelCache(Toy, 8, lambda _: 5, measured=False, clock=clock)
    assert cache.welcome("a")
    cache.put("a", Toy(), seconds=2, grown=0)
    assert cache.welcome("a") and not cache.welcome("b")
    clock.now = 2 * STAY
    assert cache.welcome("b")
    assert ModelCache(Toy, None, lambda _: 5).welcome("b")


def test_a_model_that_fails_to_load_is_told_and_harms_nobody() -> None:
    class Broken(Toy):
        def load(self, model: str) -> None:
            if model == "broken":
                raise StartError("/models/broken/model.bin is missing")

    cache = ModelCache(Broken, None, lambda _: 1)
    cache.get("a")
    with pytest.raises(ApiError, match="The model broken cannot be loaded") as caught:
        cache.get("broken")
    assert caught.value.status == 500 and "/models" not in caught.value.message
    assert list(cache.costs) == ["a"]


def test_memory_is_what_the_container_may_use(tmp_path: Path) -> None:
    assert 1_000_000 < memory.resident() < 1 << 40
    assert memory.limit(tmp_path) is None
    for path, text in {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/memory.max": "4096000\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert memory.limit(tmp_path) == 4096000


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service with three models, of which one cannot be loaded and one hears French only."""

    class Picky(Toy):
        model = ""

        def load(self, model: str) -> None:
            if model == "toy/broken":
                raise StartError("it is broken")
            self.model = model

        @property
        def capabilities(self) -> Capabilities:
            languages = ("fr",) if self.model == "toy/french" else ("en", "fr")
            return replace(super().capabilities, languages=languages)

        def run(self, windows: Sequence[Window]) -> Sequence[WindowResult]:
            assert {window.options.model for window in windows} == {self.model}
            return super().run(windows)

    given = Settings(port=0, model="toy/model", models=("toy/french", "toy/broken"), queue=16)
    with serving(Kind("Picky", Picky), given) as found:
        yield found


def test_each_request_has_its_model(service: Service) -> None:
    names = ["toy/model", "toy/french", "whisper-1", "french", ""] * 3
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: service.post(sounds.speech(), model=name), names))
    assert [answer.status_code for answer in answers] == [200] * len(names)
    listed = [model["id"] for model in service.get("/v1/models").json()["data"]]
    assert listed[:3] == ["toy/model", "toy/french", "toy/broken"] and "whisper-1" in listed


def test_what_a_model_can_do_is_its_own(service: Service) -> None:
    assert service.post(sounds.speech(), model="toy/model", language="en").status_code == 200
    error = service.post(sounds.speech(), model="toy/french", language="en").json()["error"]
    assert error["param"] == "language" and "fr" in error["message"]


def test_a_broken_model_fails_its_own_requests_only(service: Service) -> None:
    with ThreadPoolExecutor(4) as pool:
        broken = pool.submit(service.post, sounds.speech(), model="toy/broken")
        good = pool.submit(service.post, sounds.speech(), model="toy/model")
    answer = broken.result()
    assert answer.status_code == 500 and answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "model_not_loadable"
    assert good.result().status_code == 200


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    2000000 kB\n"}, 2_048_000_000),
        (
            {
                "proc/meminfo": "MemAvailable: 2000000 kB\n",
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/a/memory.max": "900000000\n",
                "sys/fs/cgroup/a/memory.current": "800000000\n",
                "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 200000000\nactive_file 100000000\n",
            },
            400_000_000,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "900000000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "800000000\n",
                "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 300000000\n",
            },
            400_000_000,
        ),
    ],
)
def test_memory_that_is_left(tmp_path: Path, files: dict[str, str], left: int) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert memory.available(tmp_path) == left
    memory.require(left, "the model a", tmp_path)
    with pytest.raises(StartError, match=rf"the model a takes about .* and this service has {left / 1e9:.1f} GB left"):
        memory.require(left + 1, "the model a", tmp_path)
