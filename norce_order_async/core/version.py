"""The version, in a module of its own: whoever sends it does not import the rest of the package."""

__version__ = "2.0.0.dev0"
