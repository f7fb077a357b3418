"""The file of a recording, and what it is made with: what cannot be is told at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from norce_order_async import ConfigurationError
from norce_order_async.testing import RecordingTransport, SandboxTransport
from norce_order_async.testing.conformance.base import BODY_CANARY

REQUEST: dict[str, Any] = {"method": "GET", "path": "/x", "query": [], "merchant": "m", "channel": "1", "body": None}
RESPONSE: dict[str, Any] = {"status": 200, "headers": {}, "body": {"json": BODY_CANARY}, "truncated": False}


def cassette(**members: Any) -> str:
    exchanges = [{"request": REQUEST, "response": RESPONSE}, {"request": REQUEST, "response": RESPONSE, **members}]
    return json.dumps({"format": 1, "exchanges": exchanges})


def without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in members.items() if other != name}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "Expecting value: line 1 column 1"),
        (f'{{"format": 1,\n "exchanges": ["{BODY_CANARY}",]}}', "line 2 column"),
        ("[]", "list indices"),
        ("{}", "the member 'format' is missing"),
        ('{"format": 1}', "the member 'exchanges' is missing"),
        ('{"format": 2, "exchanges": []}', "of another format than 1"),
        ('{"format": 1, "exchanges": [{"request": {}, "response": {}}]}', "exchange 1: the member 'method' is missing"),
        (cassette(request=without(REQUEST, "channel")), "exchange 2: the member 'channel' is missing"),
        (cassette(request={**REQUEST, "note": BODY_CANARY}), "exchange 2: .*argument 'note'"),
        (cassette(request={**REQUEST, "path": None}), "exchange 2: the member 'path' is of another type"),
        (cassette(request={**REQUEST, "channel": 1}), "exchange 2: the member 'channel' is of another type"),
        (cassette(request={**REQUEST, "query": {BODY_CANARY: "5"}}), "exchange 2: the member 'query' is of another"),
        (cassette(request={**REQUEST, "query": [[BODY_CANARY]]}), "exchange 2: a query is a list of lists"),
        (cassette(request={**REQUEST, "query": [[BODY_CANARY, 5]]}), "exchange 2: a query is a list of lists"),
        (cassette(response={**RESPONSE, "status": 42}), "exchange 2: a status is a number of 100 to 999"),
        (cassette(response={**RESPONSE, "truncated": 0}), "exchange 2: the member 'truncated' is of another type"),
        (cassette(response=without(RESPONSE, "truncated")), "exchange 2: the member 'truncated' is missing"),
        (cassette(response={**RESPONSE, "status": BODY_CANARY}), "exchange 2: a status is a number"),
        (cassette(response={**RESPONSE, "headers": {"date": 5}}), "exchange 2: a header is text"),
        (
            cassette(response={**RESPONSE, "headers": BODY_CANARY}),
            "exchange 2: the member 'headers' is of another type",
        ),
        (cassette(response={**RESPONSE, "body": BODY_CANARY}), "exchange 2: the member 'body' is of another type"),
        (cassette(response={**RESPONSE, "body": {"text": 5}}), "exchange 2: the member 'text' is of another type"),
        (cassette(response={**RESPONSE, "body": {}}), "exchange 2: the member 'text' is missing"),
        ('{"format": 1, "exchanges": null}', "the member 'exchanges' is of another type"),
        (
            cassette(response={**RESPONSE, "headers": {"Content-Type": "a/b; charset=ascii"}, "body": {"text": "å"}}),
            "exchange 2: UnicodeEncodeError",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_without_its_values(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"odd\.json is .*cassette.*{problem}") as caught:
        RecordingTransport(path)
    assert BODY_CANARY not in str(caught.value)


def test_a_folder_is_no_cassette(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a cassette: "):
        RecordingTransport(tmp_path)


def test_threads_may_begin_one_cassette_at_once(tmp_path: Path) -> None:
    def begin(_: int) -> RecordingTransport:
        return RecordingTransport(tmp_path / "one.json", mode="all")

    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(begin, range(200)))) == 200
    assert list(tmp_path.iterdir()) == []


async def _scrub(name: str, value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    "settings",
    [{"scrub": "***"}, {"scrub": _scrub}, {"inner": SandboxTransport}, {"inner": "aiohttp"}],
)
def test_what_cannot_record_is_refused_before_anything_is_sent(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(settings))} must be "):
        RecordingTransport(tmp_path / "one.json", **settings)
