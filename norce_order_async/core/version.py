"""The version, in a module of its own: whoever sends it does not import the rest of the package."""

__version__ = "1.0.0"
