"""Wyoming, the protocol of Home Assistant's voice assistants, on a port of its own. It knows no password."""
