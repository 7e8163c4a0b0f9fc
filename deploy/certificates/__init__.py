"""Certificates: of an ACME authority, of the kit's own, or the operator's; and their renewal."""
