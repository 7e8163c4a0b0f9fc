"""Transcription itself: speed, errors and memory of the service beside the library's and its peers'."""
