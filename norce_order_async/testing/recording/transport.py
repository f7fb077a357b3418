"""A transport that writes down what another one carries, and replays it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from norce_order_async.core.errors import ClientStateError, ConfigurationError, InvalidRequestError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.shapes import HOOK, TRANSPORT, check_shape
from norce_order_async.testing.recording.cassette import Cassette, Recorded
from norce_order_async.testing.recording.messages import answer_of, asked_by, replayed
from norce_order_async.testing.recording.scrubbing import Scrub, Scrubber
from norce_order_async.transport import Transport
from norce_order_async.transport.checked import checked
from norce_order_async.transport.default import default_transport
from norce_order_async.transport.errors import IS_CLOSED

Mode: TypeAlias = Literal["none", "once", "new_episodes", "all"]


class RecordingTransport(Transport):
    """Records what another transport carries in a cassette, a file of JSON, and replays it.

    A request is found by its method, path, query, merchant, channel and body; not by its host. Each response is
    replayed once, equal requests in the order of recording. A request that had no response is not recorded. The
    cassette is written by :meth:`aclose`, and only if something was recorded. Transports of one process that are open
    at once share their cassette.

    No token, password or client secret stands in it: no header of the request but merchant and channel is kept, few of
    the response, and a secret that was sent or received is hidden wherever it stands. A body that is not text is left
    out.

    Args:
        cassette: The file's path.
        inner: What carries the requests, by default an :class:`AiohttpTransport`. It is closed with this one.
        mode: ``none`` replays, and raises where there is nothing to replay. ``new_episodes`` sends and records it then.
            ``all`` sends and records everything; the cassette as it was is replaced. ``once`` is ``none`` where there
            is a cassette, and ``all`` where there is none, as it was for the first of those that share it.
        scrub: Called with the name and the value of each member of a body and each parameter of a query; returns what
            is kept of it, for personal data. A value comes before the members in it; what stands in an array has the
            array's name, and a whole body has the empty one. It is also applied when a request is looked for.

    Raises:
        ConfigurationError: ``inner`` is no transport, or ``scrub`` no function or an async one; an unknown mode, no
            cassette in mode ``none``, a file that is not a cassette, or one that cannot be written; in mode
            ``new_episodes`` only when there is something to record, before it is sent.
    """

    def __init__(
        self,
        cassette: str | Path,
        inner: Transport | None = None,
        *,
        mode: Mode = "once",
        scrub: Scrub | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            raise ConfigurationError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")
        if inner is not None:
            inner = checked(check_shape("inner", inner, TRANSPORT))
        if scrub is not None:
            check_shape("scrub", scrub, HOOK)
        path = Path(cassette).absolute()  # the program may change its folder before it is written
        if mode == "none" and not path.exists():
            raise ConfigurationError(f"there is no cassette {path}; record it in another mode")
        self._cassette = Cassette.shared(path, self)
        if mode == "once":
            mode = "none" if self._cassette.existed else "all"
        self._mode = mode
        if mode == "all":
            self._cassette.check_writable()
            self._cassette.exchanges.clear()
        self._inner = inner
        self._scrubber = Scrubber(scrub)
        self._recorded: dict[int, Response] = {}
        self._closed = False

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Replay or record one request; see :meth:`Transport.send`.

        Raises:
            NotRecordedError: The cassette has no response to it, and none is to be recorded.
            InvalidRequestError: ``scrub`` failed when the request was looked for; nothing was sent.
            ConfigurationError: The cassette cannot be written; nothing was sent.
            ClientStateError: The transport is closed.
        """
        request.call.mark_sent(False)
        if self._closed:
            raise ClientStateError(IS_CLOSED)
        if self._mode != "all":
            try:
                asked = asked_by(request, self._scrubber).without_secrets(self._scrubber)
            except InvalidRequestError as error:
                raise error.with_traceback(None) from None  # the frames hold the body
            found = self._cassette.take(asked, self._scrubber)
            if found is not None:
                request.call.mark_sent()
                await asyncio.sleep(0)  # other tasks get their turn, as they would with a network
                return replayed(found, request)
            if self._mode == "none":
                raise self._cassette.missing(asked)
        if self._mode == "new_episodes" and not self._recorded:
            self._cassette.check_writable()
        if self._inner is None:
            self._inner = default_transport()
        response = await self._inner.send(request, timeout=timeout)
        self._recorded[next(self._cassette.places)] = response
        return response

    async def aclose(self) -> None:
        """Write the cassette, and close the transport that carried the requests; closing twice is fine.

        Raises:
            OSError: The cassette cannot be written.
            InvalidRequestError: ``scrub`` failed; nothing is written.
        """
        self._closed = True
        try:
            self._write()
        finally:
            self._cassette.leave(self)
            if self._inner is not None:
                await self._inner.aclose()

    def _write(self) -> None:
        if not self._recorded:
            return
        responses, self._recorded = self._recorded, {}
        try:
            new = self._new(responses)
        except InvalidRequestError as error:
            raise error.with_traceback(None) from None  # the frames hold bodies
        self._cassette.add(new)

    def _new(self, responses: Mapping[int, Response]) -> Mapping[int, Recorded]:
        scrubber = self._scrubber
        new = {
            at: Recorded(asked_by(each.request, scrubber), answer_of(each, scrubber)) for at, each in responses.items()
        }
        kept = "\n".join(each.asked.outside_body() for each in [*self._cassette.all(), *new.values()])
        for each in new.values():  # last, because a secret may have been learned after it was first seen
            each.asked, each.answer = each.asked.without_secrets(scrubber, kept), scrubber.hide(each.answer, kept)
        return new
