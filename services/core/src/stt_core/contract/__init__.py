"""What every engine's service must do: tests to be imported by the engine's own.

A test module says `from stt_core.contract.cases import *` and gives the fixtures `service` (a running
Service with the limits of `limits`) and `committed` (the path of its openapi.json). This package needs
pytest, httpx and openai; nothing in a service imports it.
"""
