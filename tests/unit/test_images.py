"""What Docker's words mean, and names of images as it lists them."""

import pytest

from deploy.runtime import images, laptop_docker


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        ("docker.io/library/nginx:1.27", "nginx:1.27"),
        ("index.docker.io/team/board:2", "team/board:2"),
        ("library/nginx:1.27", "nginx:1.27"),
        ("ghcr.io/library/board:2", "ghcr.io/library/board:2"),
        (f"team/board@sha256:{'a' * 64}", f"team/board@sha256:{'a' * 64}"),
    ],
)
def test_an_image_is_found_by_the_name_that_docker_lists(written: str, listed: str) -> None:
    assert images.familiar(written) == listed


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("pull access denied for team/board, repository does not exist or may require 'docker login'", "docker login"),
        ("unauthorized: authentication required", "docker login"),
        ("manifest for registry.test/a:9 not found: manifest unknown", "its name, its tag"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "the host's architecture"),
        ("dial tcp: lookup nowhere.test: no such host", "reaches the registry"),
    ],
)
def test_what_helps_where_a_registry_refuses(said: str, advice: str) -> None:
    assert advice in images._advice(f"Error response from daemon: {said}")


def test_a_processor_as_docker_calls_it() -> None:
    assert [laptop_docker.platform(name) for name in ("x86_64", "aarch64", "riscv64")] == [
        "linux/amd64", "linux/arm64", "linux/riscv64",
    ]  # fmt: skip
