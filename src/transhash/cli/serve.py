"""transhash serve: a page for looking at a library's pictures, and a REST API."""

from __future__ import annotations

import gc
import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from transhash.cli.libraries import MILVUS, Address, find_library, model_at, open_library
from transhash.cli.options import CollectionOption, ModelOption
from transhash.cli.output import counted, say
from transhash.errors import TransHashError
from transhash.system import needs

if TYPE_CHECKING:
    from transhash.library import LiveLibrary
    from transhash.server.collection import Collection

EXAMPLES = """\
  transhash serve
  transhash serve --library photos/ --port 8080
  transhash serve --host 0.0.0.0 --token-file token.txt
  transhash serve --library milvus://localhost:19530/photos
"""

TOKEN = "TRANSHASH_TOKEN"
SHORTEST_TOKEN = 16


def serve(
    *,
    library: CollectionOption = None,
    model: ModelOption = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 is all networks.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8017,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ask everyone for the token in this file (or in TRANSHASH_TOKEN)."),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ask for one of the named tokens in this file (`transhash token`)."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name that requests may give this server, such as a proxy's; repeatable."),
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="PATH", help="Where a proxy shows the server, such as /photos.")] = "",
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A proxy whose X-Forwarded-For and -Proto are believed; repeatable."),
    ] = None,
    certificate: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="CHAIN KEY", help="Files of a certificate and of its key: serve https."),
    ] = None,
    access_log: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a JSON line for each request.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without a token: everyone sees every picture.")
    ] = False,
    writable: Annotated[bool, typer.Option("--writable", help="Let pictures be added and removed.")] = False,
    apply_to: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="With --writable: let plans of duplicates be applied; files go to the trash or this folder.",
        ),
    ] = None,
    no_originals: Annotated[bool, typer.Option("--no-originals", help="Show thumbnails only.")] = False,
    max_upload: Annotated[int, typer.Option(min=1, metavar="MB", help="The largest request.")] = 32,
    max_megapixels: Annotated[int, typer.Option(min=1, metavar="MP", help="The largest picture that is taken.")] = 50,
) -> None:
    """Serve a library as a web page and a REST API.

    Prints the address to open. Only this machine can reach it. For other machines give --host and a token, a secret of
    16 characters or more, or named tokens (docs/serve.md). Pictures that another process indexes appear without a
    restart. Ctrl-C, SIGTERM or SIGHUP ends the server after running requests.

    A collection in Milvus is searched and looked through as well. It has no thumbnails and no duplicates; the page says
    what it lacks.
    """
    gc.disable()  # until the server has started: it would look for garbage in what is imported, again and again
    with needs("server"):
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    from transhash.library import LiveLibrary
    from transhash.library.duplicates.housekeeping import checked_target
    from transhash.server import run
    from transhash.server.collection import LACKS
    from transhash.server.settings import Settings

    token = _token(token_file)
    local = run.is_loopback(host)
    if not local and not token and not tokens and not insecure:
        raise TransHashError(
            host,
            "other machines reach this address",
            f"give a token (--token-file, --tokens or {TOKEN}), or --insecure to let everyone in",
        )
    if apply_to is not None and not writable:
        raise TransHashError("--apply-to", "a server that only reads applies no plans", "give --writable too")
    settings = Settings(
        token=token,
        token_file=tokens,
        # with a token, a page elsewhere that gives its own name our address learns nothing
        hosts=run.names(host, allow_host or []) if local or allow_host or insecure else None,
        sites=frozenset(each.lower() for each in allow_host or []),
        addresses=not local,
        prefix=_prefix(prefix),
        proxies=_proxies(proxy or []),
        certificate=certificate,
        access_log=access_log,
        writable=writable,
        apply_to=None if apply_to is None else checked_target(apply_to),
        originals=not no_originals,
        max_upload=max_upload << 20,
        max_pixels=max_megapixels * 1_000_000,
    )
    with _opened(library, model) as served:
        listening = run.listen(host, port)
        own_port = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
        where = f"{'https' if certificate else 'http'}://{shown}:{own_port}{settings.prefix}/"

        def started() -> None:
            gc.freeze()  # what is in memory now stays: looking through it takes 100 ms each time
            gc.enable()
            print(f"{where}#token={quote(token, safe='')}" if token else where, flush=True)
            if isinstance(served, LiveLibrary):
                say(f"{counted(len(served.index), 'picture')} of {served.path}; Ctrl-C ends the server")
            else:
                pictures = counted(served.count(None), "picture")
                say(f"{pictures} of {served.address}, without {', '.join(LACKS)}; Ctrl-C ends it")

        run.server(served, settings, started).run([listening])
    run.leave()


@contextmanager
def _opened(library: Address | None, model: str | None) -> Iterator[LiveLibrary | Collection]:
    """What is served: a library in a folder, which is followed, or a collection in Milvus."""
    from transhash.library import LiveLibrary
    from transhash.remote.opening import open_collection

    wanted = find_library(library, [Path.cwd()], elsewhere=MILVUS)
    if isinstance(wanted, str):
        with open_collection(wanted) as collection:
            used = collection.model if model is None else model_at(model, collection.bits)
        with open_collection(wanted, used) as collection:
            yield collection
        return
    with open_library(wanted, model) as opened:
        place, used = opened.path, opened.model
    with LiveLibrary(place, used) as live:
        yield live


def _prefix(text: str) -> str:
    prefix = f"/{text.strip('/')}" if text.strip("/") else ""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", prefix) or "/.." in prefix:
        raise TransHashError(text, "not a prefix", "give a path such as /photos")
    return prefix


def _proxies(named: list[str]) -> tuple[str, ...]:
    """Addresses and networks; a name would be compared with addresses, and never be one."""
    for each in named:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            remedy = "give that of the proxy, such as 127.0.0.1, or its network, such as 172.16.0.0/12"
            raise TransHashError(f"--proxy {each}", "not an address", remedy) from None
    return tuple(named)


def _token(file: Path | None) -> str | None:
    try:
        token = file.read_text("utf-8").strip() if file else os.environ.get(TOKEN, "").strip() or None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TransHashError(file, f"the token cannot be read ({reason})", "name another --token-file") from error
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise TransHashError(
            file or TOKEN,
            "not a token",
            f"give at least {SHORTEST_TOKEN} characters of ASCII, such as those of `openssl rand -hex 16`",
        )
    return token
