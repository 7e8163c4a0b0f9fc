"""Memory as `docker stats` counts it, whichever cgroups a host has."""

from deploy.host import overview


def test_what_the_kernel_gives_back_is_not_counted() -> None:
    first = {"memory_stats": {"usage": 900, "limit": 2000, "stats": {"total_inactive_file": 300, "inactive_file": 1}}}
    second = {"memory_stats": {"usage": 900, "limit": 2000, "stats": {"inactive_file": 200}}}
    assert overview.used(first) == {"used": 600, "limit": 2000}
    assert overview.used(second) == {"used": 700, "limit": 2000}


def test_nothing_is_counted_of_what_does_not_run() -> None:
    assert overview.used({"memory_stats": {}}) is None
    assert overview.of_service({"containers": []}, 1) is None
    assert overview.of_container("../../etc") is None
