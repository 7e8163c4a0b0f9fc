"""Requests over HTTP: OpenAI's paths and those of whisper-asr-webservice, from the form to the answer."""
