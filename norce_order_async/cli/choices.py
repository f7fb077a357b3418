"""What several ways to set something have in common: options, profiles, the environment."""

OUTPUTS = ("text", "table", "json", "jsonl")
"""In what a command that makes one call prints what comes back."""
TRANSPORTS = ("auto", "aiohttp", "httptools")
"""What carries the requests; ``auto`` is the faster one, where it is installed."""
