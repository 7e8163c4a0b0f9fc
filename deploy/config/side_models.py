"""The models beside the one that transcribes: which of them tell speakers apart and align words, and which are
fetched."""

from collections.abc import Iterator

from deploy.config.catalog import Own
from deploy.config.inventory import Service
from deploy.config.rules import TOKENS
from deploy.config.stack import Diarizer, SideModel


def diarizer(service: Service, own: Own | None) -> Diarizer | None:
    """What the inventory says of a kind that has a gated diarizer; None for others."""
    if not own or not own.models.diarization:
        return None
    return Diarizer(service.diarizer or "auto", service.diarization_model or own.models.diarization.default)


def side_models(service: Service, own: Own | None) -> tuple[SideModel, ...]:
    """The models that a deploy fetches beside those that transcribe. A gated one only where there is a token for it."""
    if not own:
        return ()
    found = [SideModel(name, tuple(own.models.patterns)) for name in own.models.companions]
    found += _gated(service, own)
    patterns = tuple(own.models.alignment)
    found += [SideModel(name, patterns) for name in service.alignment.values() if patterns]
    return tuple({side.name: side for side in found}.values())


def _gated(service: Service, own: Own) -> Iterator[SideModel]:
    chosen, models = diarizer(service, own), own.models.diarization
    if not chosen or not models or chosen.name == "open" or chosen.folder:
        return
    if any(token in service.secrets for token in TOKENS):
        for name in (chosen.model, *models.parts.get(chosen.model, ())):
            yield SideModel(name, tuple(models.patterns), gated=True, spare=chosen.name == "auto")
