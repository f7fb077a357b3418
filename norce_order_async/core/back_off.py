"""How long to wait after failures: exponential back-off with jitter, and not before a server asks for."""

from norce_order_async.core.random_source import RandomSource


def back_off(failures: int, *, base: float, most: float, least: float = 0.0, random: RandomSource) -> float:
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


def not_before(asked: float | None, delay: float, random: RandomSource) -> float:
    """Seconds to wait: a delay, or what a server asked for if that is more.

    A little, drawn at random, is added to what the server asked for, so that its callers do not all come back at once.

    Args:
        asked: What the server asked for, in seconds; None if it did not.
        delay: The delay, in seconds.
        random: What draws.
    """
    return delay if asked is None else max(delay, asked + random.random() * min(1.0, 0.1 * asked + 0.05))
