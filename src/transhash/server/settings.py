"""What a server may do, and its limits."""

from __future__ import annotations

from dataclasses import dataclass

MOST_HITS = 1000  # in one answer, for each query
MOST_QUERIES = 100  # in one request that sends no pictures


@dataclass(frozen=True)
class Settings:
    """The limits hold for each request; what is over them is refused with 413, 422, 429 or 503."""

    token: str | None = None  # asked of everyone, but for the page's own files and health
    hosts: frozenset[str] | None = None  # that requests may name as the server's; None: any
    writable: bool = False  # pictures may be added and removed
    originals: bool = True  # pictures are shown in full size

    max_upload: int = 32 << 20  # bytes of a request's body
    max_pixels: int = 50_000_000  # of a picture that is sent
    max_pictures: int = 16  # that are sent at once
    max_held: int = 256 << 20  # bytes of all requests that are under way
    max_body: int = 2 << 20  # bytes of a body without pictures
    max_waiting: int = 64  # pictures that wait to be encoded, or to be made small, each
    upload_seconds: float = 60.0  # for a request to arrive
    seconds: float = 30.0  # for it to be worked on
    header_seconds: float = 10.0  # for its headers to arrive
    stop_seconds: float = 10.0  # for what is under way, when the server is asked to stop
    max_connections: int = 512
