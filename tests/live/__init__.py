"""Asks a real service, once somebody has credentials, what no published page says: see ``python -m live --help``."""
