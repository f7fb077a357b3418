"""The quick versions of what `nox -s hostile` proves at length."""

import pytest
from command import run_program
from hostile import bodies, operations, totals
from hostile.answers import KINDS
from hostile.operations import TRANSPORTS


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_outcome_contradicts_the_origin_s_ledger(transport: str, tls: bool) -> None:
    ran = await operations.run(400 if tls else 600, 20260112, transport, tls=tls)
    assert ran.violations == []
    assert len(ran.kinds.keys() & KINDS) >= 25  # of over 100; on a busy machine many attempts end before their answer


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_that_its_total_ends_tells_so(transport: str) -> None:
    kinds, wrong = await totals.run(80, 20260112, transport)
    assert wrong == []
    assert kinds["DeadlineExceeded"]


def test_no_call_is_refused_while_tokens_expire_and_event_loops_come_and_go() -> None:
    result = run_program("hostile.life", "--seconds", "4")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "; 0 violations\n" in result.stdout


async def test_a_hostile_request_at_the_receiver_is_a_4xx_and_nothing_else() -> None:
    got, wrong = await bodies.run(1_000, 20260112)
    assert wrong == []
    assert {"passed", "400", "401", "404", "405", "408", "413", "415"} <= got.keys()
