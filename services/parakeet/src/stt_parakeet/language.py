"""Which language a text is in: the model hears it, and does not say which one it was."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SURE = 0.5
"""Probability from which on a window tells the language of its file."""


class Identifier:
    """Loads in a thread of its own, beside the model: it takes about a second, and is wanted later."""

    def __init__(self) -> None:
        self._languages: tuple[str, ...] = ()
        self._loading: Future[LanguageIdentifier] | None = None

    def prepare(self, languages: Sequence[str]) -> None:
        """languages: that the model has."""
        self._languages = tuple(languages)
        loading: Future[LanguageIdentifier] = Future()
        self._loading = loading

        def load() -> None:
            try:
                from py3langid.langid import MODEL_FILE, LanguageIdentifier  # slow to import

                loading.set_result(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
            except BaseException as error:
                loading.set_exception(error)

        threading.Thread(target=load, name="language", daemon=True).start()

    def identified(self, text: str, languages: Sequence[str] = ()) -> tuple[str | None, float | None]:
        """The language of a text, and how sure that is; (None, None) where it cannot be told.

        languages: those that it may be in, of the model's; empty for any.
        """
        if self._loading is None:
            return None, None
        known = self._loading.result()
        known.set_languages(list(languages or self._languages))
        language, probability = known.classify(text)
        if probability < SURE and not languages:
            return None, None
        return str(language), float(probability)
