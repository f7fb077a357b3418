"""Typed endpoint functions, one module per resource; each is an Operation and a few lines."""
