"""Typed endpoint functions, one module per resource, and the lists, edits, waits and look-ups made of them."""
