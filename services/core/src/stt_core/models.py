"""The names under which the loaded model answers."""

from pydantic import BaseModel

from stt_core.errors import NotFound

ALIASES = ("whisper-1",)
"""Names of OpenAI's own that mean whatever is loaded."""


class ModelBody(BaseModel):
    """One model, as OpenAI's API lists it."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """GET /v1/models"""

    object: str = "list"
    data: list[ModelBody]


class Models:
    """What this service has."""

    def __init__(self, loaded: str) -> None:
        self.loaded = loaded
        self.names = (loaded, *(alias for alias in ALIASES if alias != loaded))

    def check(self, name: str) -> None:
        """An empty name means the loaded model. Raises NotFound naming the known ones."""
        if name and name not in self.names:
            raise NotFound(
                f"There is no model {name[:100]!r} here; known are {', '.join(self.names)}.",
                param="model",
                code="model_not_found",
            )

    def one(self, name: str) -> ModelBody:
        self.check(name)
        return ModelBody(id=name, owned_by=self.loaded.split("/")[0])

    def all(self) -> ModelList:
        return ModelList(data=[self.one(name) for name in self.names])
