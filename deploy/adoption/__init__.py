"""A hand-made installation: found, judged, taken over and given back."""
