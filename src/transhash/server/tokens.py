"""Who may ask: named tokens with two rights, the sessions of pages that gave one, and patience with wrong ones.

A file of tokens has a line for each: `name rights digest`, where `rights` is `look` or `manage` and `digest` is what
`transhash token` made of the secret. The file is read again when it changes, so that a token whose line is deleted, and
all sessions that began with it, end at once.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from transhash.errors import TransHashError
from transhash.server.addresses import counted
from transhash.server.faults import Fault
from transhash.server.log import Log
from transhash.server.settings import Settings

LOOK, MANAGE = "look", "manage"
MAY_MANAGE = "transhash.may-manage"  # in the scope of a request
NAME = "transhash.token"
SESSIONS_KEPT = 10_000
SESSIONS_OF_ONE = 100  # token
FREE_TRIES = 5  # wrong tokens of one address that are answered at once
LONGEST_WAIT = 60.0  # seconds
ADDRESSES_KEPT = 10_000
LOOKS_EVERY = 1.0  # seconds, at the file of tokens
_LINE = re.compile(r"([\w.@-]{1,64})\s+(look|manage)\s+([0-9a-f]{64})")


class Token(NamedTuple):
    """Whose token it is, and what it may do."""

    name: str
    rights: str
    digest: str


class _Session(NamedTuple):
    token: Token
    until: float


def digest_of(secret: str) -> str:
    """What is kept of a secret. Those that `transhash token` makes have 128 random bits: no salt would add to them."""
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"transhash token").hexdigest()


def read_tokens(file: Path) -> list[Token]:
    """The tokens in a file; raises `TransHashError` when it cannot be read or has a line of another form."""
    tokens, wrong = tokens_in(file)
    if wrong:
        raise wrong[0]
    return tokens


def tokens_in(file: Path) -> tuple[list[Token], list[TransHashError]]:
    """The tokens in a file, and what is wrong with its other lines; raises `TransHashError` when it cannot be read."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TransHashError(file, f"the tokens cannot be read ({reason})", "name another --tokens") from error
    tokens, wrong = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found:
            tokens.append(Token(*found.groups()))
        else:
            where = f"{file}, line {number}"
            wrong.append(TransHashError(where, "not a token", "add tokens with `transhash token add`"))
    return tokens, wrong


class Tokens:
    """The tokens and sessions of one server."""

    def __init__(self, settings: Settings, log: Log | None = None) -> None:
        """`log`: where what is wrong with the file later is written. Raises `TransHashError` when it cannot be used."""
        self._settings = settings
        self._log = log
        self._own = Token("owner", MANAGE, digest_of(settings.token)) if settings.token else None
        self._known: dict[str, Token] = {}
        self._looked = -math.inf
        self._state: tuple[int, int, int] | None = None
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._patience = Patience()
        self._refresh(strict=True)

    def check(self, scope: Scope, headers: Mapping[str, str], *, changes: bool) -> None:
        """Find out whose request it is; raises a `Fault` for one without a valid token, or without the right.

        `changes`: the request wants to change something.
        """
        if not self._settings.guarded:
            return
        self._refresh()
        token = self._of_session(scope, headers) or self._of_bearer(scope, headers)
        scope[NAME] = token.name
        scope[MAY_MANAGE] = token.rights == MANAGE
        if changes and token.rights != MANAGE:
            raise Fault(403, "rights", "this token may only look", "use a token with the right to manage")

    def begin(self, scope: Scope) -> str | None:
        """The cookie of a new session for the token of a request, as the value of Set-Cookie."""
        token = self._bearer(Headers(scope=scope))
        if token is None:
            return None
        self._make_room(token)
        secret = secrets.token_urlsafe(32)
        self._sessions[digest_of(secret)] = _Session(token, time.monotonic() + self._settings.session_seconds)
        return self._cookie(scope, secret, int(self._settings.session_seconds))

    def _make_room(self, token: Token) -> None:
        """For one more session of a token: the oldest of the same one ends, or of the one that has most."""
        own = [name for name, session in self._sessions.items() if session.token == token]
        for name in own[: max(0, len(own) + 1 - SESSIONS_OF_ONE)]:
            del self._sessions[name]
        while len(self._sessions) >= SESSIONS_KEPT:
            count = Counter(session.token for session in self._sessions.values())
            if token in count:
                count[token] += 1  # the one that begins
            most = max(count, key=count.__getitem__)
            del self._sessions[next(name for name, session in self._sessions.items() if session.token == most)]

    def end(self, scope: Scope) -> str | None:
        """End the session of a request; what makes the browser forget its cookie."""
        self._sessions.pop(digest_of(_cookie_of(scope, Headers(scope=scope))), None)
        return self._cookie(scope, "", 0) if self._settings.guarded else None

    def _cookie(self, scope: Scope, value: str, seconds: int) -> str:
        path = f"{self._settings.prefix}/"
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        return f"{_name(scope)}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

    def _of_session(self, scope: Scope, headers: Mapping[str, str]) -> Token | None:
        value = _cookie_of(scope, headers)
        session = self._sessions.get(digest_of(value)) if value else None
        if session is None or session.until < time.monotonic():
            return None
        return session.token if self._known.get(session.token.digest) == session.token else None

    def _of_bearer(self, scope: Scope, headers: Mapping[str, str]) -> Token:
        """The token that a request carries; an address that gave wrong ones waits ever longer."""
        address = counted((scope.get("client") or ("", 0))[0])
        given = _secret(headers)
        wait = self._patience.wait(address, given)
        if given and wait:
            reason, remedy = "too many wrong tokens", "try again later"
            raise Fault(429, "wrong-tokens", reason, remedy, retry=math.ceil(wait))
        token = self._bearer(headers)
        if token is None:
            if given:
                self._patience.wrong(address)
            raise Fault(401, "token", "no valid token", "send one as Authorization: Bearer …")
        self._patience.right(address, given)
        return token

    def _bearer(self, headers: Mapping[str, str]) -> Token | None:
        given = _secret(headers)
        # found by its digest: how long that takes tells nothing about the secret
        return self._known.get(digest_of(given)) if given else None

    def _refresh(self, *, strict: bool = False) -> None:
        """Read the file again if it has changed, or could not be read; raises what is wrong with it where `strict`."""
        now = time.monotonic()
        if now - self._looked < LOOKS_EVERY:
            return
        self._looked = now
        tokens = [self._own] if self._own else []
        file = self._settings.token_file
        if file is not None:
            state = _state_of(file)
            if state is not None and state == self._state:
                return
            found, wrong = _tokens_of(file) if state else ([], [_missing(file)])
            if strict and wrong:
                raise wrong[0]
            for each in wrong:
                if self._log:
                    self._log.failed("none", each)
            tokens += found or []
            self._state = None if found is None else state
        self._known = {token.digest: token for token in tokens}


class Patience:
    """Wrong tokens by address: after a few, each costs twice the wait of the one before."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and until when to wait
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()  # what was right before never waits

    def wait(self, address: str, secret: str) -> float:
        """Seconds until the address may try again."""
        count, until = self._wrong.get(address, (0, 0.0))
        left = until - time.monotonic()
        return 0.0 if left <= 0 or count <= FREE_TRIES or (address, digest_of(secret)) in self._right else left

    def wrong(self, address: str) -> None:
        """Take note of a wrong token."""
        count = self._wrong.pop(address, (0, 0.0))[0] + 1
        wait = min(LONGEST_WAIT, 2.0 ** min(count - FREE_TRIES, 10)) if count > FREE_TRIES else 0.0
        self._wrong[address] = count, time.monotonic() + wait
        while len(self._wrong) > ADDRESSES_KEPT:
            self._wrong.popitem(last=False)

    def right(self, address: str, secret: str) -> None:
        """Take note of a right one."""
        self._right[address, digest_of(secret)] = None
        while len(self._right) > ADDRESSES_KEPT:
            self._right.popitem(last=False)


def _state_of(file: Path) -> tuple[int, int, int] | None:
    """What tells whether a file has changed; None where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _tokens_of(file: Path) -> tuple[list[Token] | None, list[TransHashError]]:
    """As `tokens_in`; None for tokens that cannot be read now: nobody gets in by them until they can."""
    try:
        return tokens_in(file)
    except TransHashError as error:
        return None, [error]


def _missing(file: Path) -> TransHashError:
    return TransHashError(file, "there are no tokens", "make one with `transhash token add`")


def _secret(headers: Mapping[str, str]) -> str:
    kind, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if hmac.compare_digest(kind.lower().encode(), b"bearer") else ""


def _name(scope: Scope) -> str:
    """Cookies ignore ports: the name has it, so that two servers of one machine do not log each other out."""
    return f"transhash-{(scope.get('server') or ('', 0))[1]}"


def _cookie_of(scope: Scope, headers: Mapping[str, str]) -> str:
    """The session's; other programs of this machine may have set others, of a form that Python's own parser ends at."""
    return cookie_parser(headers.get("cookie", "")).get(_name(scope), "")
