"""A token in a file: what editors write, and when it is read again."""

# ruff: noqa: ASYNC240 (the files are small)

import logging
import os
import pickle
import traceback
from pathlib import Path

import pytest
from support import scripted

from norce_order_async import (
    AuthenticationError,
    ConfigurationError,
    OrderClient,
    TokenFile,
    TokenSource,
    delete_consent,
)
from norce_order_async.testing import FakeClock
from norce_order_async.transport import Response

CANARY = "canary-token"


def token_file(path: Path, token: str = "old") -> tuple[TokenFile, FakeClock]:
    path.write_text(token, encoding="utf-8")
    clock = FakeClock()
    return TokenFile(path, clock=clock), clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.mark.parametrize(
    "content",
    [
        b"abc",
        b"abc\n",
        b"abc\r\n",
        b"\r\n  abc\t \r\n\r\n",
        b"\xef\xbb\xbfabc\r\n",
        "abc\r\n".encode("utf-16"),
        b"\xfe\xff" + "abc\n".encode("utf-16-be"),
        "\u00a0abc\u2028".encode(),
    ],
)
async def test_what_editors_write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    source: TokenSource = TokenFile(path)
    assert await source.get() == "abc"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the token is empty"),
        (b"\xef\xbb\xbf\r\n", "the token is empty"),
        (b"canary\ncanary", "holds a space, a line break"),
        (b"Bearer canary", "without the word Bearer"),
        (b"canary\xff", "not text in UTF-8"),
        (b"\xff\xfecanary", "not text in UTF-8|holds a space"),
        (b"canary" * 20000, "more than 65536 bytes"),
        (None, "No such file"),
    ],
)
def test_what_is_no_token_is_said_at_once(path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"the token file cannot be read: .*(?:{problem})") as caught:
        TokenFile(path)
    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value) + str(pickle.dumps(caught.value))
    assert caught.value.__cause__ is None
    with pytest.raises(ConfigurationError, match="NORCE_TOKEN_FILE cannot be read"):
        OrderClient.from_env({"NORCE_TOKEN_FILE": str(path), "NORCE_MERCHANT": "m", "NORCE_CHANNEL": "1"})


@pytest.mark.parametrize("token", ["eyJhbGciOiJIUzI1NiJ9.canary.sig", "canary" * 8, "/etc/" + "canary" * 100])
def test_a_token_in_the_place_of_its_file_is_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the token file cannot be read: .*looks like a token") as caught:
        TokenFile(token)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_folder_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TokenFile(tmp_path)


async def test_a_refused_token_has_the_file_read_again(path: Path) -> None:
    source, _ = token_file(path)
    client, transport, _ = scripted(
        lambda r: Response(r, 200 if r.headers["Authorization"] == "Bearer new" else 401), auth=source
    )
    with pytest.raises(AuthenticationError):
        await delete_consent(client, "o_1", "ci")
    assert len(transport.requests) == 1  # the same token is not sent twice
    path.write_text("new\r\n")
    assert (await delete_consent(client, "o_1", "ci")).attempts == 2
    assert (await delete_consent(client, "o_1", "ci")).attempts == 1


async def test_a_changed_file_is_noticed_within_a_second(path: Path) -> None:
    source, clock = token_file(path)
    assert await source.get() == "old"
    path.write_text("newer")
    clock.now = 0.9
    assert await source.get() == "old"
    clock.now = 1.0
    assert await source.get() == "newer"


async def test_a_mounted_secret_is_a_link_that_is_moved(path: Path, tmp_path: Path) -> None:
    for name, token in (("one", "tok-1"), ("two", "tok-2")):
        (tmp_path / name).write_text(token)
        os.utime(tmp_path / name, (1, 1))
    path.symlink_to(tmp_path / "one")
    clock = FakeClock()
    source = TokenFile(path, clock=clock)
    assert await source.get() == "tok-1"
    path.unlink()
    path.symlink_to(tmp_path / "two")
    clock.now = 1
    assert await source.get() == "tok-2"


@pytest.mark.parametrize("content", [None, b"", b"canary canary", b"\xff\xfe\xff"])
async def test_while_the_file_cannot_be_read_the_last_token_serves(
    path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    source, clock = token_file(path)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for now in range(1, 5):
        clock.now = now
        assert await source.get() == "old"
        assert await source.get(rejected="old") == "old"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot be read" in caplog.text
    assert "canary" not in caplog.text
    path.write_text("new")
    assert await source.get(rejected="old") == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
async def test_a_pipe_is_read_once() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abc\n")
    os.close(writer)
    clock = FakeClock()
    source = TokenFile(Path(f"/dev/fd/{reader}"), clock=clock)
    os.close(reader)
    clock.now = 5
    assert await source.get() == "abc"
    assert await source.get(rejected="abc") == "abc"


def test_it_shows_and_pickles_no_token(path: Path) -> None:
    source, _ = token_file(path, CANARY)
    assert CANARY not in repr(source)
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(source)
