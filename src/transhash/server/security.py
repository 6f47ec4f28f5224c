"""Whose names, sites and sizes are accepted: checks of a request's head, and the headers that protect a page."""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping

from starlette.types import Scope

from transhash.server.faults import Fault
from transhash.server.settings import Settings

API = "/api/v1"
OPEN = {f"{API}/health", f"{API}/ready"}  # asked by those who watch over servers
SAFE = {"GET", "HEAD", "OPTIONS"}
LOOKING = f"{API}/search"  # with POST, and yet nothing is changed
APPLIED = f"{API}/duplicates/applied/"
SESSION = f"{API}/session"
WITH_PICTURES = {f"{API}/search", f"{API}/pictures"}  # bodies, with POST

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; manifest-src 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in (HEADERS | {"cache-control": "no-store"}).items()]


def check_sender(scope: Scope, headers: Mapping[str, str], settings: Settings) -> None:
    """Refuse requests that name another server, or that another site's page makes; raises a `Fault`."""
    host = headers.get("host", "")
    if not _is_ours(host, settings):
        # a page elsewhere may give its own name our address, to read what is here through the user's browser
        remedy = "use the address that it printed when it started, or start it with --allow-host and this name"
        raise Fault(421, "host", "not a name of this server", remedy)
    if not scope["path"].startswith(f"{API}/"):
        return
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise _elsewhere()
    origin = headers.get("origin")
    if scope["method"] not in SAFE and origin:
        asking = origin.partition("://")[2]
        # a proxy may have put its own name of us into Host; another port is another site, unless it is named too
        if asking != host and asking.lower() not in settings.sites:
            raise _elsewhere()


def changes(scope: Scope) -> bool:
    """Whether a request wants to change something, or to know what was changed, with the whole paths of files."""
    if scope["path"].startswith(APPLIED):
        return True
    return scope["method"] not in SAFE and not scope["path"].startswith(LOOKING) and scope["path"] != SESSION


def body_limit(scope: Scope, headers: Mapping[str, str], settings: Settings) -> int:
    """How large a body may be; raises a `Fault` when it says itself that it is larger."""
    takes_pictures = scope["method"] == "POST" and scope["path"] in WITH_PICTURES
    are_pictures = takes_pictures and (is_form(headers) or is_picture(headers))
    limit = settings.max_upload if are_pictures else settings.max_body
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 18:
        raise Fault(400, "length", "a length that is no number", "send a proper Content-Length")
    if int(length) > limit:
        raise too_large(limit)
    return limit


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether a body is a form, which may have pictures."""
    return _type_of(headers) == "multipart/form-data"


def is_picture(headers: Mapping[str, str]) -> bool:
    """Whether a body is a picture."""
    kind = _type_of(headers)
    return kind.startswith("image/") or kind == "application/octet-stream"


def too_large(limit: int) -> Fault:
    """A body over its limit."""
    return Fault(413, "too-large", "too large a request", f"send at most {limit / (1 << 20):g} MiB at once")


def host_of(value: str) -> str:
    """The name in a Host header, without the port."""
    return (value.rpartition(":")[0] if ":" in value.rpartition("]")[2] else value).lower()


def protection(names: Container[bytes], request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has besides its own; `names`: what it has already."""
    return [*(each for each in _RAW_HEADERS if each[0] not in names), (b"x-request-id", request_id.encode())]


def _type_of(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_ours(host: str, settings: Settings) -> bool:
    if settings.hosts is None:
        return True
    name = host_of(host)
    return name in settings.hosts or host.lower() in settings.hosts or (settings.addresses and _is_address(name))


def _is_address(name: str) -> bool:
    """An address in figures: no page elsewhere can give a name of its own to it."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _elsewhere() -> Fault:
    return Fault(403, "site", "asked by another site", "open the server's own page")
