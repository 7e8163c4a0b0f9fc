"""The faster-whisper engine: Whisper by CTranslate2."""
