"""What a plan found, in text or JSON."""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON


@attrs.frozen(kw_only=True)
class PlanAccount:
    """What there is to tell of a plan.

    Attributes:
        read: How many orders came.
        fit: How many are to be changed.
        others: How many are not, by the reason.
        unreadable: How many could not be read.
        against: How many came against each filter that was sent.
        sample: The first lines.
        is_once: Whether the change is not safe to repeat.
        stopped: Why the list was not read to its end.
        out: The file with the plan; None without one.
    """

    read: int
    fit: int
    others: Mapping[str, int]
    unreadable: int
    against: Mapping[str, int]
    sample: Sequence[JSON]
    is_once: bool
    stopped: str | None
    out: str | None

    @property
    def again(self) -> int:
        """How many came a second time."""
        return self.read - self.unreadable - self.fit - sum(self.others.values())


def plan_text(account: PlanAccount, *, as_json: bool) -> str:
    """The account as text for people, or as JSON for programs."""
    return encode_shown(_record(account)).decode() if as_json else "\n".join(_lines(account))


def _lines(account: PlanAccount) -> Iterator[str]:
    counts = {"fit": account.fit, **account.others}
    counts |= {"came a second time": account.again} if account.again else {}
    counts |= {"cannot be read": account.unreadable} if account.unreadable else {}
    yield f"{counted(account.read, 'order')} read"
    yield ""
    width = max(7, *(len(f"{count:,}") for count in counts.values()))
    yield from (f"  {count:>{width},}  {printable(what)}" for what, count in counts.items())
    for name, count in account.against.items():
        yield f"  {'':>{width}}  {count:,} of these did not fit the filter {name!r} that the service was asked for"
    if account.stopped is not None:
        yield from (
            "",
            f"norce-order: {account.stopped}",
            "  Nothing is planned. --allow-ignored-filters goes on; each order is checked here all the same.",
        )
        return
    if account.sample:
        yield from ("", "The first lines")
        yield from (f"  {printable(encode_shown(record).decode())}" for record in account.sample)
    if account.is_once:
        yield from ("", "This change is not safe to repeat: batch run takes it with --once.")
    if account.out is not None:
        yield from ("", f"Plan: {printable(account.out)}")


def _record(account: PlanAccount) -> dict[str, JSON]:
    """It for programs."""
    return {
        "read": account.read,
        "fit": account.fit,
        "others": dict(account.others),
        "again": account.again,
        "unreadable": account.unreadable,
        "ignored": dict(account.against),
        "sample": list(account.sample),
        "once": account.is_once,
        "stopped": account.stopped,
        "plan": account.out,
    }
