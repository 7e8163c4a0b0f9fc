"""Diarizers that the service's own is measured beside."""
