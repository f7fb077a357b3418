"""Plain values that everything else is written with: nothing here does I/O or knows asyncio's loops."""
