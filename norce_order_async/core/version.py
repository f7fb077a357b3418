"""The version, in a module of its own: whoever sends it needs not import the whole face of the package."""

__version__ = "1.0.0"
