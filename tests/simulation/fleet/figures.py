"""The figures of a run."""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil, inf

from simulation.fleet.running import Made, Run

RECOVERED = 0.95
"""The share of calls that succeed when it is over."""
_STEADY = 5
"""Seconds for which a recovery has to hold."""
_EMPTY = 1.0
"""Seconds of work that wait at most where a queue counts as empty."""


def in_trouble(run: Run) -> Sequence[Made]:
    """The calls that began while the trouble lasted."""
    begins = run.scenario.begins
    return [call for call in run.made if begins <= call.began < begins + run.scenario.lasts]


def good(calls: Sequence[Made]) -> Sequence[Made]:
    """Those of all tenants but the poison one."""
    return [call for call in calls if not call.is_poison]


def success(calls: Sequence[Made]) -> float:
    """The share of calls that succeeded."""
    return sum(call.is_done for call in calls) / len(calls) if calls else 1.0


def worst_tenth(calls: Sequence[Made]) -> float:
    """The share of calls that succeeded, of the tenth of the clients for which it is lowest."""
    by_client: defaultdict[int, list[Made]] = defaultdict(list)
    for call in calls:
        by_client[call.client].append(call)
    worst = sorted(by_client.values(), key=success)[: ceil(len(by_client) / 10)]
    return success([call for each in worst for call in each])


def p90(calls: Sequence[Made]) -> float:
    """Seconds within which nine of ten calls that succeeded had their answer; infinite where none did."""
    took = sorted(call.took for call in calls if call.is_done)
    return took[ceil(len(took) * 0.9) - 1] if took else inf


def load(run: Run) -> float:
    """Requests for each call, from the beginning of the trouble to its end."""
    begins, ends = run.scenario.begins, run.scenario.begins + run.scenario.lasts
    sent = sum(begins <= when < ends for when in run.requests)
    return sent / len(in_trouble(run))


def wasted(run: Run) -> float:
    """The share of requests, from the beginning of the trouble on, that gave no call its success."""
    begins = run.scenario.begins
    sent = sum(when >= begins for when in run.requests)
    done = sum(call.is_done and call.began + call.took >= begins for call in run.made)
    return 1 - done / sent


def shares(run: Run) -> Sequence[float]:
    """The share of good tenants' calls that succeed, by the second in which they begin."""
    seconds = len(run.backlog)
    began, done = [0] * seconds, [0] * seconds
    for call in good(run.made):
        if call.began < seconds:
            began[int(call.began)] += 1
            done[int(call.began)] += call.is_done
    return [done[at] / began[at] if began[at] else 1.0 for at in range(seconds)]


def rates(run: Run) -> Sequence[float]:
    """Requests that came in each second."""
    sent = [0.0] * len(run.backlog)
    for when in run.requests:
        if when < len(sent):
            sent[int(when)] += 1
    return sent


def peak(run: Run) -> float:
    """The most requests that came in one second since the trouble began."""
    return max(rates(run)[int(run.scenario.begins) :])


def recovery(run: Run) -> float:
    """Seconds after the end of the trouble until nearly all calls succeed and the queue stays empty."""
    end = int(run.scenario.begins + (0 if run.scenario.at_once else run.scenario.lasts))
    last, share = end - 1, shares(run)
    for at in range(end, len(run.backlog)):
        if share[at] < RECOVERED or run.backlog[at] > _EMPTY:
            last = at
    return inf if last + _STEADY >= len(run.backlog) else last + 1 - end
