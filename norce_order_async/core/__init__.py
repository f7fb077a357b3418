"""Plain values that everything else is written with, and their checks, the clock and back-off."""
