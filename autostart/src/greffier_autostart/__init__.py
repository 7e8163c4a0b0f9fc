"""Greffier's on-demand proxy.

It relays HTTP to services on the same host, starts a service at its first request and lets it
sleep when idle. A service is stopped only with no request in flight.
"""

__version__ = "0.1.0"
