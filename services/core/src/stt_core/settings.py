"""Settings, from environment variables."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from stt_core.errors import StartError


class Settings(BaseSettings):
    """STT_NAME, or the name that is known from other Whisper servers; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="STT_", env_ignore_empty=True, extra="ignore")

    host: str = Field("127.0.0.1", validation_alias=AliasChoices("STT_HOST", "UVICORN_HOST"))
    port: int = Field(8001, ge=0, le=65535, validation_alias=AliasChoices("STT_PORT", "UVICORN_PORT"))
    model: str = Field(
        "Systran/faster-whisper-small", validation_alias=AliasChoices("STT_MODEL", "WHISPER__MODEL")
    )
    models_dir: Path = Path("/models")
    device: Literal["cpu", "cuda", "auto"] = Field(
        "cpu", validation_alias=AliasChoices("STT_DEVICE", "WHISPER__INFERENCE_DEVICE")
    )
    compute_type: str = "int8"
    max_upload_bytes: int = Field(500_000_000, gt=0)
    queue: int = Field(16, gt=0, le=1000)
    """Requests that are transcribed or wait; one more gets 429."""


def from_environment() -> Settings:
    """Raises StartError naming the variables that are wrong."""
    try:
        return Settings()
    except ValidationError as error:
        parts = []
        for item in error.errors():
            name = str(item["loc"][0])
            variable = name if name.isupper() else f"STT_{name.upper()}"
            parts.append(f"{variable}={item['input']!r}: {item['msg']}")
        raise StartError("Wrong settings: " + "; ".join(parts) + ".") from None
