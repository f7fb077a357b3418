"""What goes wrong around the clients, and when: spells that begin, last, and end."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from simulation.pipe import Link
from simulation.scene import API, Scene

from norce_order_async.testing import Fault

T = TypeVar("T")
Spell = Callable[["Weather", float], None]
MakeFault = Callable[[Random, float], Fault]

FAULTS: tuple[MakeFault, ...] = (
    lambda choices, share: Fault.status(503, share=share),
    lambda choices, share: Fault.status(503, retry_after=choices.randrange(1, 20), share=share),
    lambda choices, share: Fault.status(429, retry_after=choices.randrange(1, 60), share=share),
    lambda choices, share: Fault.status(429, share=share),
    lambda choices, share: Fault.status(500, share=share),
    lambda choices, share: Fault.status(502, body=b"<html>Bad gateway</html>", share=share),
    lambda choices, share: Fault.drop_before(share=share),
    lambda choices, share: Fault.drop_after(share=share),
    lambda choices, share: Fault.truncate(share=share),
    lambda choices, share: Fault.slow(choices.uniform(0.1, 40), share=share),
    lambda choices, share: Fault.latency(choices.uniform(0.1, 40), share=share),
    lambda choices, share: Fault.apply_late(choices.uniform(0.1, 60), share=share),
)
"""What may go wrong with a share of the requests."""


class Weather:
    """Lets spells come over a scene: of some kinds, which the seed chooses, so that each has its share.

    Args:
        scene: What they come over.
        pause: Seconds between two of them, on average.
        longest: Seconds that one lasts at most; most are much shorter.
        until: The world's time from which no other begins.
        hosts: The servers whose links go bad; one that is named twice is chosen twice as often.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        pause: float,
        longest: float,
        until: float,
        hosts: Sequence[str] = (API,),
    ) -> None:
        self.scene = scene
        self.random = scene.world.stream("weather")
        self._hosts = hosts
        self._pause, self._longest, self._until = pause, longest, until
        self._spells = _some(self.random, SPELLS)
        self.faults = _some(self.random, FAULTS)
        self._await_next()

    def _await_next(self) -> None:
        self.scene.world.after(self.random.expovariate(1 / self._pause), self._begin)

    def _begin(self) -> None:
        world = self.scene.world
        if world.now >= self._until:
            return
        spell = self.random.choice(self._spells)
        lasts = min(self._longest, 0.05 * 2 ** self.random.uniform(2, 14))
        world.note("weather", f"{spell.__name__} for {lasts:.3f} s")
        spell(self, lasts)
        self._await_next()

    def links(self) -> list[Link]:
        """The links of one of the servers."""
        return list(self.scene.world.network.links_of(self.random.choice(self._hosts)))

    def later(self, delay: float, what: Callable[[], object]) -> None:
        """End a spell."""
        self.scene.world.after(delay, what)


def _some(choices: Random, kinds: Sequence[T]) -> Sequence[T]:
    """About half of them, at least one."""
    return [kind for kind in kinds if choices.random() < 0.5] or kinds


def partition(weather: Weather, lasts: float) -> None:
    """Nothing comes through; what was sent comes afterwards."""
    for link in weather.links():
        if not link.is_cut:
            link.cut()
            weather.later(lasts, link.mend)


def bad_network(weather: Weather, lasts: float) -> None:
    """Slow, in pieces, with connections that break or fall silent."""
    for link in weather.links():
        link.latency, link.jitter = weather.random.uniform(0, 0.5), weather.random.uniform(0, 0.3)
        link.bandwidth, link.cuts = 10 ** weather.random.uniform(3, 7), weather.random.random()
        link.resets, link.silences = weather.random.uniform(0, 0.3), weather.random.uniform(0, 0.1)
        link.refuses = weather.random.uniform(0, 0.2)
        weather.later(lasts, link.clear)


def no_names(weather: Weather, lasts: float) -> None:
    """Names are not found, or only late."""
    network = weather.scene.world.network
    names = dict(network.names)
    if not names:
        return
    if weather.random.random() < 0.5:
        network.names.clear()
        weather.later(lasts, lambda: network.names.update(names))
    else:
        network.name_delay = 8.0
        weather.later(lasts, lambda: setattr(network, "name_delay", 0.01))


def crash(weather: Weather, lasts: float) -> None:
    """The server is killed, at times with its host, and comes back."""
    scene = weather.scene
    if scene.server is not None:
        scene.server.kill(silently=weather.random.random() < 0.3)
    weather.later(lasts, scene.serve)


def deployment(weather: Weather, lasts: float) -> None:
    """The server ends in good order, and another one starts."""
    weather.scene.stop()
    weather.later(0.5 + lasts, weather.scene.serve)


def faults(weather: Weather, lasts: float) -> None:
    """The server answers errors, loses answers, or takes long."""
    sandbox, choices = weather.scene.sandbox, weather.random
    make = choices.choice(weather.faults)
    sandbox.faults.add(make(choices, choices.uniform(0.02, 0.5)))
    weather.later(lasts, sandbox.faults.clear)


def clock_step(weather: Weather, lasts: float) -> None:
    """The wall clock is wrong for a while."""
    world = weather.scene.world
    world.drift += weather.random.choice([-3600.0, -1.0, 1.0, 3600.0])
    weather.later(lasts, lambda: setattr(world, "drift", 0.0))


def stall(weather: Weather, lasts: float) -> None:
    """A process stands still, as if its machine was out of breath."""
    world = weather.scene.world
    process = weather.random.choice(world.processes)
    process.host.stall(min(lasts, 30.0))


SPELLS: tuple[Spell, ...] = (
    partition,
    bad_network,
    bad_network,
    crash,
    deployment,
    faults,
    faults,
    faults,
    no_names,
    clock_step,
    stall,
)
