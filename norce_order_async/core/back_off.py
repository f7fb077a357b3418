"""How long to wait after failures: exponential back-off with jitter, and a spread after what a server asks for."""

from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource


def back_off(
    failures: int, *, base: float, most: float, least: float = 0.0, random: RandomSource = SYSTEM_RANDOM
) -> float:
    """Seconds to wait after the nth failure, drawn evenly.

    Args:
        failures: How many there were in a row, from 1.
        base: The widest wait after the first, in seconds; each further one doubles it.
        most: The widest wait of all, in seconds.
        least: The share of the widest wait that is waited at least.
        random: What draws.
    """
    # Beyond 2**64 the product is the same for everybody, and would overflow.
    return random.uniform(least, 1.0) * min(most, base * 2.0 ** min(failures - 1, 64))


def spread(asked: float, random: RandomSource = SYSTEM_RANDOM) -> float:
    """Seconds to add to what a server asked for, drawn at random so that its callers do not all come back at once."""
    return random.random() * min(1.0, 0.1 * asked + 0.05)
