"""What happens to the API, and what the clients do about it."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from simulation.fleet.api import Api
from tenacity import wait_fixed

from norce_order_async import RetryPolicy

CAPACITY = 150.0
"""Requests a second that the API serves."""
LOAD = 100.0
"""Calls a second, of all clients together."""
CLIENTS = 1_000
REFUSING = 0.1
"""What refusing a request costs the API, in requests that it could have served."""

Policy = Callable[[], Mapping[str, Any]]
"""Makes the settings of a client."""

POLICIES: Mapping[str, Policy] = {
    "as it comes": dict,
    "by hand": lambda: {"retry": RetryPolicy(max_attempts=3, wait=wait_fixed(1)), "budget": None},
    "no retries": lambda: {"retry": None},
    "no budget": lambda: {"budget": None},
    "adaptive": lambda: {"adaptive": True},
}


def _nothing(_: Api) -> None:
    pass


@attrs.frozen
class Scenario:
    """A trouble that begins and ends.

    Of calls that come at one instant it lasts for as long as figures are taken, and recovery counts from that instant.
    The API's capacity goes with the load.

    Attributes:
        head: What it is, for people.
        begins: Seconds after the start.
        lasts: Seconds.
        after: Seconds for which calls go on when it is over.
        queue: Seconds of work that wait at the API at most; None is no limit.
        at_once: How many calls come in the instant in which it begins: those of so many seconds.
        poison: The share of calls that the poison tenant makes while it lasts.
        poison_cost: What one of its requests costs, in others' requests.
        refusing: What refusing a request costs the API, in requests that it could have served.
        clients: How many there are.
        load: Calls a second, of all clients together.
        begin: What happens to the API.
        end: What happens to it when it is over.
    """

    head: str
    begins: float = 20.0
    lasts: float = 60.0
    after: float = 60.0
    queue: float | None = 2.0
    at_once: float = 0.0
    poison: float = 0.0
    poison_cost: float = 1.0
    refusing: float = REFUSING
    clients: int = CLIENTS
    load: float = LOAD
    begin: Callable[[Api], object] = _nothing
    end: Callable[[Api], object] = _nothing


def _halve(api: Api) -> None:
    api.capacity /= 2


def _restore(api: Api) -> None:
    api.capacity *= 2


def _come_back(api: Api) -> None:
    api.is_down = False


def _fail_at_times(api: Api) -> None:
    api.failing = 0.2


def _fail_never(api: Api) -> None:
    api.failing = 0.0


SCENARIOS: Mapping[str, Scenario] = {
    "outage": Scenario("An outage of 60 s: every request is a 503", begin=Api.go_down, end=_come_back),
    "halved": Scenario(
        "Half the capacity for 10 minutes: 429 and Retry-After beyond it",
        lasts=600.0,
        clients=100,
        load=10.0,
        begin=_halve,
        end=_restore,
    ),
    "slow": Scenario(
        "Half the capacity for 10 minutes: slow beyond it, nothing is refused",
        lasts=600.0,
        after=300.0,
        queue=None,
        clients=100,
        load=10.0,
        begin=_halve,
        end=_restore,
    ),
    "poison": Scenario(
        "1 % of the calls are a poison tenant's: each request costs 40 others, and ends with 500",
        lasts=120.0,
        poison=0.01,
        poison_cost=40.0,
    ),
    "restart": Scenario("All clients come at one instant, with 5 calls each", lasts=30.0, at_once=50.0),
}

FAILING = Scenario("Every fifth request fails", begin=_fail_at_times, end=_fail_never, after=0.0)
"""What a budget must not spoil."""


def hiccup(lasts: float) -> Scenario:
    """Everything fails for a moment, for busy clients."""
    return Scenario(
        f"{lasts:g} s in which every request is a 503",
        begins=5.0,
        lasts=lasts,
        after=5.0,
        clients=2,
        begin=Api.go_down,
        end=_come_back,
    )
