"""transhash search: the pictures most like given ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.libraries import ANYWHERE, find_library, open_searchable
from transhash.cli.options import JsonOption, ModelOption, SearchableOption
from transhash.cli.output import DONE, NOTHING, PARTLY, print_json, say, shown
from transhash.cli.queries import Query, queries
from transhash.errors import ImageError, TransHashError

if TYPE_CHECKING:
    from transhash.cli.sheet import Sheet
    from transhash.library import Hit, Searchable
    from transhash.library.searchable import Limits
    from transhash.model import Encoded

SAME = "  (the same picture)"
EXAMPLES = """\
  transhash search cat.jpg
  transhash search cat.jpg -k 50 --sheet hits.jpg
  transhash search cat.jpg --where "width >= 800 and taken >= '2020'"
  curl -s https://example.org/cat.jpg | transhash search -
"""


def search(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE", help="Pictures, words or .npy vectors; - reads standard input.", show_default=False
        ),
    ] = None,
    *,
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="Search for the picture, or the file, in the clipboard.")
    ] = False,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="The most hits for each picture.")] = 10,
    max_distance: Annotated[
        int | None, typer.Option(min=0, metavar="BITS", help="Only hits that differ in at most this many bits.")
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="Only hits with at least this probability, 0 to 1."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="FILTER", help="Only pictures that pass, such as \"width >= 800 and taken < '2020'\"."),
    ] = None,
    collapse: Annotated[
        bool, typer.Option("--collapse", help="Give hits that are copies of one another once, with their count.")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the hits on one page: a .jpg, .png or .webp file.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the hits in the terminal, if it can.")] = False,
    library: SearchableOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the most similar pictures of a library, most similar first.

    Each line has the number of bits that differ, the probability that both show the same kind of thing (if the model
    is calibrated for such pictures), and the path. A file with the same bytes is marked "the same picture". The
    nearest codes are ordered by finer numbers, if the library has them: then a hit may differ in more bits than the
    next one.

    Words ("red car in snow") need a library whose model has a text tower, such as CLIP; the rows of a .npy file need
    one of such vectors. `transhash help filters` explains --where.
    """
    from transhash.cli.answers import check_probability, same_pictures, why_nothing
    from transhash.cli.sheet import Sheet, check_name

    if not images and not clipboard:
        raise typer.BadParameter("name a picture, or - for standard input, or --clipboard", context, param_hint="IMAGE")
    if show and as_json:
        raise TransHashError("", "--show and --json do not go together", "use --sheet FILE for a file next to the JSON")
    if sheet:
        check_name(sheet)
    wanted = queries(images or [], clipboard=clipboard)
    page = Sheet() if sheet or show else None
    limits: Limits = {
        "max_distance": max_distance, "min_probability": min_probability, "where": where, "collapse": collapse,
    }  # fmt: skip
    failed = 0
    folders = (query.folder for query in wanted if query.folder)
    place = find_library(library, [Path.cwd()], folders, elsewhere=ANYWHERE)
    with open_searchable(place, model) as opened:
        check_probability(opened, min_probability)
        for query, encoded, hits in _found(opened, wanted, k, limits):
            if isinstance(hits, ImageError):
                failed += 1
                say(query.unusable(hits))
                continue
            same = same_pictures(query, hits)
            if as_json:
                told = [{**hit.to_dict(), "same": hit.id in same} for hit in hits]
                print_json({"query": query.name, "hits": told})
            else:
                _print(query.called, hits, same, heading=len(wanted) > 1)
            if not hits:
                why = why_nothing(opened, encoded, where, max_distance, min_probability)
                say(f"{query.called}: nothing found: {why}")
            if page:
                page.add(query.name, query.picture, hits, same)
    if page and failed < len(wanted):
        _show(page, sheet, in_terminal=show)
    raise typer.Exit(DONE if not failed else PARTLY if failed < len(wanted) else NOTHING)


def _show(page: Sheet, file: Path | None, *, in_terminal: bool) -> None:
    from transhash.cli import terminal

    if file:
        page.save(file)
    if in_terminal:
        terminal.show(page.draw())
    if left := page.left("query", "queries"):
        say(left)


def _print(query: str, hits: list[Hit], same: set[int], *, heading: bool) -> None:
    if heading:
        print(f"{shown(query)}:")
    likely = any(hit.probability is not None for hit in hits)
    for hit in hits:
        known = hit.probability is not None and hit.id not in same  # of the same picture there is nothing to estimate
        probability = f"{hit.probability:5.0%}  " if known else " " * 7 if likely else ""
        more = f"  (and {len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'})" if hit.copies else ""
        print(f"{hit.distance:4d}  {probability}{shown(hit.picture.address)}{SAME if hit.id in same else ''}{more}")


def _reads(library: Searchable) -> Sequence[str]:
    """What a library can be searched with."""
    from transhash.library.searchable import HasModel
    from transhash.model import reads

    if isinstance(library, HasModel):
        return reads(library.model)
    from transhash.remote.http import HttpLibrary

    return library.reads if isinstance(library, HttpLibrary) else ["pictures"]


def _found(
    library: Searchable, queries: Sequence[Query], k: int, limits: Limits
) -> Iterator[tuple[Query, Encoded | None, list[Hit] | ImageError]]:
    """Each query with what the model made of it and its hits, or what is wrong with it; a server encodes for itself."""
    from transhash.library.ranking import is_picture
    from transhash.library.searchable import HasModel, Queries
    from transhash.model import stream

    known = _reads(library)
    read = [query.as_words() for query in queries] if "words" in known else queries
    if not isinstance(library, HasModel) or not all(is_picture(query.source) for query in read):
        for query in read:
            if not is_picture(query.source) and "vectors" not in known:
                raise TransHashError(
                    query.called, "a vector, and this library reads pictures, not words or vectors", "name a picture"
                )
            try:
                hits = library.search(query.source, k, **limits)  # type: ignore[arg-type]  # as was just asked
            except ImageError as error:
                yield query, None, error
            else:
                yield query, None, hits
        return
    for batch in stream(library.model, read, source=lambda query: query.source):
        found = iter(library.search(Queries.of_encoded(batch, library.bits), k, **limits))
        for encoded in batch:
            yield encoded.item, encoded, encoded.error or next(found)
