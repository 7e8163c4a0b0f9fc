"""Whisper itself, whichever library runs its model: windows, decoding, trimming, languages, word times."""
