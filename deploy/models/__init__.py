"""Models on a host: pinned, fetched, kept; and those that the hub gives to some only."""
