"""What every engine's service must do: tests to be imported by the engine's own.

A test module says `from stt_core.contract.cases import *`, and the same of every other cases_… module.
It gives the fixtures `service` (a running Service with the limits of contract/service.py), `able` (the
Capabilities of its engine) and `committed` (the path of its openapi.json). This package needs pytest, httpx
and openai; nothing in a service imports it.
"""
