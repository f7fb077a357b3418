"""What several ways to set something have in common: options, profiles, the environment."""

CLIENT_SETTINGS = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id")
"""Settings of a client that are texts: each is an option, a variable ``NORCE_*`` and a key of a profile."""
OUTPUTS = ("text", "table", "json", "jsonl")
"""In what a command that makes one call prints what comes back."""
TRANSPORTS = ("auto", "aiohttp", "httptools")
"""What carries the requests; ``auto`` is the faster one, where it is installed."""
