"""An HTTP answer that is there, whole, after so long: httpx's own limits are those of one read.

A server that sends a byte now and then would keep every read within its limit for ever. Its headers
can do so still: httpx hands them over whole.
"""

from __future__ import annotations

from threading import Event, Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

__all__ = ["whole_answer"]


def whole_answer(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    seconds: float,
    **content: Any,  # noqa: ANN401 - httpx's own
) -> httpx.Response:
    """Send a request and read its answer to the end.

    Args:
        client: with its limits of one read.
        method: GET or POST.
        url: where.
        seconds: how long it may take; one read more at most.
        content: parameters or a body, as httpx takes them.

    Raises:
        httpx.ReadTimeout: it is not there in time.
        httpx.RequestError: no answer, or one that cannot be decoded.
    """
    import httpx  # noqa: PLC0415 - of the extra "live"

    late, body = Event(), bytearray()  # a timer, as below the runners nobody reads a clock
    timer = Timer(seconds, late.set)
    timer.daemon = True
    timer.start()
    try:
        with client.stream(method, url, **content) as reply:
            for piece in reply.iter_raw():
                body += piece
                if late.is_set():
                    told = f"not all of the answer is here after {seconds:g} s"
                    raise httpx.ReadTimeout(told, request=reply.request)
    finally:
        timer.cancel()
    return httpx.Response(
        reply.status_code, headers=reply.headers, content=bytes(body), request=reply.request
    )
