# ruff: noqa: RUF001
"""What is spoken is written: for the kinds that run Whisper."""

import json
from typing import Any

import numpy as np
import pytest

from stt_testing import sounds
from stt_testing.asserts import plain
from stt_testing.service import Service

JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"

GREEK = (
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι "
    "προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα "
    "αδελφοσύνης. Κάθε άνθρωπος δικαιούται να επικαλείται όλα τα δικαιώματα και όλες τις ελευθερίες που "
    "προκηρύσσει η παρούσα διακήρυξη, χωρίς καμία απολύτως διάκριση, ειδικότερα ως προς τη φυλή, το "
    "χρώμα, το φύλο, τη γλώσσα, τις θρησκείες, τις πολιτικές ή οποιεσδήποτε άλλες πεποιθήσεις, την εθνική "
    "ή κοινωνική καταγωγή, την περιουσία, τη γέννηση ή οποιαδήποτε άλλη κατάσταση. Δεν θα μπορεί ακόμα να "
    "γίνεται καμία διάκριση εξαιτίας του πολιτικού, νομικού ή διεθνούς καθεστώτος της χώρας από την οποία "
    "προέρχεται κανείς."
)
"""From the Universal Declaration of Human Rights. Read fast it has more than 224 tokens in 30 s."""


FRENCH = (
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité. Chacun peut se "
    "prévaloir de tous les droits et de toutes les libertés proclamés dans la présente Déclaration, sans "
    "distinction aucune, notamment de race, de couleur, de sexe, de langue, de religion, d'opinion politique "
    "ou de toute autre opinion, d'origine nationale ou sociale, de fortune, de naissance ou de toute autre "
    "situation."
)
"""From the same declaration. Its first 28 s leave no room in their window for a sentence more."""


@pytest.mark.parametrize("form", ["json", "verbose_json", "srt", "stream"])
def test_a_text_longer_than_usual_is_whole(service: Service, form: str) -> None:
    values = sounds.spoken(GREEK, "el", words_per_minute=190)
    asked: dict[str, Any] = {"stream": "true"} if form == "stream" else {"response_format": form}
    answer = service.post(sounds.wav(values), language="el", **asked)
    assert answer.status_code == 200, answer.text
    if form == "stream":
        last = answer.text.split("\n\n")[-3]
        text = json.loads(last.removeprefix("data: "))["text"]
    elif form == "srt":
        text = " ".join(line for line in answer.text.splitlines() if line and "-->" not in line and not line.isdigit())
    else:
        text = answer.json()["text"]
    # Synthetic Greek is misheard in places, and its words run together; of a window that ended at 224
    # tokens a third was missing.
    assert len(plain(text).split()) >= 0.8 * len(plain(GREEK).split())
    if form == "verbose_json":
        assert answer.json()["segments"][-1]["end"] > len(values) / sounds.RATE - 1.5


@pytest.mark.parametrize("rate", [16_000, 8_000])
@pytest.mark.parametrize(("kind", "seconds"), [("silence", 7), ("silence", 72), ("hum", 60)])
def test_speech_after_a_long_silence_is_whole(service: Service, seconds: int, kind: str, rate: int) -> None:
    asked = {"response_format": "verbose_json", "timestamp_granularities__": "word", "language": "en"}
    values = np.concatenate([sounds.unspoken(seconds)[kind], sounds.samples(sounds.speech())])
    file = sounds.wav(values) if rate == sounds.RATE else sounds.telephone(values)
    words = service.post(file, **asked).json()["words"]
    heard = plain(" ".join(word["word"] for word in words))
    # By telephone Whisper base takes Americans for America, and ask for asked; but it hears them.
    assert heard == JFK if rate == sounds.RATE else len(heard.split()) == len(JFK.split())
    alone = service.post(sounds.speech(), **asked).json()["words"]
    starts = [word["start"] - seconds for word in words]
    assert starts == pytest.approx([word["start"] for word in alone], abs=0.3)


def test_of_several_languages_each_part_is_heard_in_its_own(service: Service) -> None:
    french = sounds.spoken(FRENCH, "fr")[: 28 * sounds.RATE]
    file = sounds.wav(np.concatenate([french, sounds.samples(sounds.speech())]))
    asked: dict[str, Any] = {"languages__": ["en", "fr"]}
    found = service.post(file, response_format="verbose_json", **asked).json()
    spoken = [segment["language"] for segment in found["segments"]]
    assert list(dict.fromkeys(spoken)) == ["french", "english"] and spoken == sorted(spoken, reverse=True)
    assert plain(found["text"]).endswith(JFK) and "conscience" in found["text"], found["text"]
    assert found["language"] == "french"
    answer = service.post(file, **asked).json()
    assert [one["code"] for one in answer["languages"]] == ["fr", "en"]
    assert answer["text"] == found["text"]
