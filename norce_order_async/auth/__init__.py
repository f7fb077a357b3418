"""Where bearer tokens come from."""
