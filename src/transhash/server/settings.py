"""What a server may do, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_HITS = 1000  # in one answer, for each query
MOST_QUERIES = 100  # in one request that sends no pictures
MOST_RANKED = 100_000  # of one request: queries times (offset + k)
MOST_COLUMNS = 200  # users' own, that annotations make


@dataclass(frozen=True)
class Settings:
    """The limits hold for each request; what is over them is refused with 413, 422, 429 or 503."""

    token: str | None = None  # asked of everyone, but for the page's own files and health; it may do everything
    token_file: Path | None = None  # named tokens (`transhash.server.tokens`), read again when the file changes
    hosts: frozenset[str] | None = None  # names that requests may give the server; None: any
    sites: frozenset[str] = frozenset()  # whose pages may change something, where a proxy puts another name into Host
    addresses: bool = False  # besides `hosts`, any address in figures
    prefix: str = ""  # below which a proxy shows the server, such as /photos
    proxies: tuple[str, ...] = ()  # addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed
    certificate: tuple[Path, Path] | None = None  # files of the certificate chain and of its key, for TLS
    access_log: Path | None = None  # a JSON line for each request
    writable: bool = False  # pictures may be added and removed
    apply_to: str | None = None  # where duplicates go that are removed here: trash or a folder; None: none are
    originals: bool = True  # pictures are shown in full size

    max_upload: int = 32 << 20  # bytes of a request's body
    max_pixels: int = 50_000_000  # of a picture that is sent
    max_pictures: int = 16  # that are sent at once
    max_held: int = 256 << 20  # bytes of all requests that have arrived and are not answered
    max_sending: int = 128 << 20  # bytes of all answers that are under way
    max_body: int = 2 << 20  # bytes of a body without pictures
    max_waiting: int = 64  # pictures that wait to be encoded, or to be made small, each
    upload_seconds: float = 60.0  # for a request to arrive
    seconds: float = 30.0  # for it to be worked on
    decode_seconds: float = 10.0  # for a picture to be decoded
    decode_memory: int = 2 << 30  # bytes that decoding one may take (Linux)
    filter_seconds: float = 5.0  # for a filter to look through the library
    header_seconds: float = 10.0  # for the headers of a request to arrive
    idle_seconds: float = 15.0  # between two requests on a connection
    drain_seconds: float = 20.0  # in which a client takes nothing of its answer
    stop_seconds: float = 10.0  # for what is under way, when the server is asked to stop
    session_seconds: float = 30 * 24 * 3600.0  # for which a page need not give its token again
    max_connections: int = 512
    max_connections_of_one: int = 128  # of one address, but for a proxy's
    max_of_one: int = 64  # requests of one address that are under way

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for."""
        return self.token is not None or self.token_file is not None
