"""Services sleep until somebody calls them, and only when nobody does."""

from concurrent.futures import ThreadPoolExecutor

from tests.integration.kit import MODEL, SAID, Kit, until


def test_a_request_wakes_the_service(kit: Kit) -> None:
    starts = kit.asleep()
    assert kit.transcribed().text == SAID
    state = kit.state()
    assert (state["state"], state["starts"]) == ("ready", starts + 1)
