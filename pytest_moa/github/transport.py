"""One HTTP request to GitHub, by urllib3. Repeats nothing and understands no answer.

The only module that imports urllib3, which the extra `github` installs.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import urllib3

from pytest_moa.github.retry import Answer

ANSWER_BYTES = 64 * 1024 * 1024
"""A page holds a hundred things; a comment of 65,536 characters takes at most 400 KB as JSON."""

_TIMEOUT = urllib3.Timeout(connect=10, read=30)
# GitHub redirects a renamed repository, by 307 where the method matters. urllib3 takes the credentials out where the
# other end is another host.
_REDIRECTS = urllib3.Retry(
    total=None, connect=0, read=0, redirect=3, status=0, other=0, respect_retry_after_header=False
)


class NoAnswerError(Exception):
    """No connection, a time-out, or an answer that broke off."""


class Transport:
    def __init__(self, base: str) -> None:
        self._pool = _pool(base)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """The answer, whatever its status. Raises NoAnswerError."""
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=_TIMEOUT,
                retries=_REDIRECTS,
                preload_content=False,
                decode_content=True,
            )
            with response:
                raw = response.read(ANSWER_BYTES + 1)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from None
        if len(raw) > ANSWER_BYTES:
            raise NoAnswerError(f"the answer is longer than {ANSWER_BYTES} bytes")
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, raw)


def _pool(base: str) -> urllib3.PoolManager:
    """Through the proxy that the environment names, as git and pip do; the system's certificates hold."""
    address = urlsplit(base)
    proxy = urllib.request.getproxies().get(address.scheme)
    if not proxy or urllib.request.proxy_bypass(address.netloc):
        return urllib3.PoolManager(maxsize=1)
    at = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    login = f"{unquote(at.username)}:{unquote(at.password or '')}" if at.username else None
    place = at._replace(netloc=at.netloc.rpartition("@")[2]).geturl()
    return urllib3.ProxyManager(place, maxsize=1, proxy_headers=urllib3.make_headers(proxy_basic_auth=login))
