"""A caller of the services, from the laptop: what `transcribe` and `demo` do."""
