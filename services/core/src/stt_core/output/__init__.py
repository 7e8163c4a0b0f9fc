"""A transcript in the formats that clients know. Pure."""
