"""The connection to a server of a library (`transhash serve`): a request, and its answer or what is wrong, as an error.

A busy server is asked again for a while, and a connection that the server has closed meanwhile is opened again.
"""

from __future__ import annotations

import http.client
import os
import time
from typing import Any
from urllib.parse import quote, urlsplit

from transhash.errors import DataError, FilterError, ImageError, LibraryError
from transhash.plain import parsed

TOKEN = "TRANSHASH_TOKEN"
SECONDS = 120.0
OF_CODE = {"picture": ImageError, "data": DataError}
PATIENCE = 30.0  # seconds for which a busy server is asked again


class Connection:
    """A connection to one server. Used from one thread."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """`url` has the path that a proxy shows the server below, if it does (https://photos.example/photos).

        `token` is the server's, by default that in TRANSHASH_TOKEN. Raises `LibraryError` for no such address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LibraryError(url, "not the address of a server", "give one such as http://host:8017")
        path = parts.path.rstrip("/")  # below which a proxy shows the server (`transhash serve --prefix`)
        self._path = quote(path, safe="/%:@!$&'()*+,;=~")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=SECONDS)
        token = (token or os.environ.get(TOKEN, "")).strip()
        if not (token.isascii() and token.isprintable()):
            raise LibraryError(self.url, "the token is none of a server's", f"copy it again into {TOKEN}")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def mean(self, library: str) -> None:
        """Ask for nothing but the library of this `id` from here on: another one in its place is not changed."""
        self._headers["X-Library"] = library

    def close(self) -> None:
        """Close it; the next request opens it again."""
        self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        *,
        where: str | None = None,
        missing: bool = False,
    ) -> Any:
        """The answer to a request below /api/v1: what its JSON says, None when it has no content.

        `where` is the filter that it carries, for the error. With `missing`, False when there is nothing of that name.
        Raises `FilterError`, `ImageError` for pictures and `DataError` for rows that cannot be used, and `LibraryError`
        for everything else.
        """
        headers = {**self._headers, **({"Content-Type": kind} if kind else {})}
        until = time.monotonic() + PATIENCE
        while True:
            status, pause, content = self._exchange(method, f"{self._path}/api/v1{path}", body, headers)
            if status not in (429, 503) or time.monotonic() + pause > until:
                break
            time.sleep(pause)
        if status == 204 or (status == 404 and missing):
            return None if status == 204 else False
        try:
            answer = parsed(content)
            if not isinstance(answer, dict) or 300 <= status < 400:
                raise ValueError
        except ValueError:
            raise LibraryError(self.url, "no transhash server answers there", "check the address") from None
        if status < 300:
            return answer
        reason, remedy = str(answer.get("reason", "")), str(answer.get("remedy", ""))
        if status == 401:
            remedy = f"set {TOKEN} to the server's"
        if status == 412:
            remedy = "open the library again: its pictures have other ids"
        if isinstance(position := answer.get("position"), int):
            raise FilterError(where or "", position, remedy.removeprefix("write "))
        if status == 422 and (error := OF_CODE.get(str(answer.get("code")))):
            raise error(self.url, reason, remedy)
        raise LibraryError(self.url, reason or "no proper answer", remedy or "check the address")

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, float, bytes]:
        for is_last in (False, True):
            fresh = self._connection.sock is None
            try:
                self._connection.request(method, path, body or None, headers)
                response = self._connection.getresponse()
                pause = response.getheader("Retry-After", "1")
                return response.status, float(pause) if pause.isdecimal() else 1.0, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # a connection that was kept may have been closed meanwhile
                if fresh or is_last or isinstance(error, TimeoutError):
                    reason = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
                    raise LibraryError(self.url, f"cannot be reached ({reason})", _remedy(error)) from error
        raise AssertionError("the last try returns or raises")


def _remedy(error: Exception) -> str:
    if type(error).__name__ == "SSLCertVerificationError":  # of a module that not every Python has
        return "use the name that its certificate is for, and name a file with the one who signed it in SSL_CERT_FILE"
    return "check that the server runs"
