"""What every engine's service must do: tests to be imported by the engine's own.

A test module says `from stt_testing.contract.general import *`, and the same of every other module here
that holds for its engine. It gives the fixtures `service` (a running Service with the limits of
stt_testing.service), `able` (the Capabilities of its engine) and `committed`
(the path of its openapi.json).
"""
