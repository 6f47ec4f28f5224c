"""transhash info: the facts of a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from transhash.cli.libraries import ANYWHERE, find_library, open_searchable
from transhash.cli.options import JsonOption, SearchableOption
from transhash.cli.output import called, counted, print_json, shown, sized

EXAMPLES = """\
  transhash info
  transhash info --library photos/
"""


def info(library: SearchableOption = None, as_json: JsonOption = False) -> None:
    """Show how many pictures a library has, and its model.

    Also its own columns, its size on disk, how many files could not be used (they are read again when they
    change), and of how many pictures the files have vanished (`transhash index --prune` deletes what is known of them).
    """
    with open_searchable(find_library(library, [Path.cwd()], elsewhere=ANYWHERE)) as opened:
        facts = opened.info()
    if as_json:
        print_json(asdict(facts))
        return
    print(f"library   {shown(facts.path)}")
    kept = f"{counted(facts.skipped, 'unusable file')}, {facts.vanished:,} vanished"
    print(f"{called(facts.model) + 's':<8}  {facts.pictures:,} ({kept})")
    print(f"model     {facts.model}, {facts.bits} bits, {facts.fingerprint[:12]}")
    if facts.fitted_to:
        print(f"codes     fitted to {counted(facts.fitted_to, 'picture')} of this library")
    if facts.general:
        print("codes     general: they stay the model's own (--general)")
    if facts.calibrated_by:
        print(f"percent   calibrated by {shown(facts.calibrated_by)} (transhash calibrate)")
    if facts.columns:
        print(f"columns   {', '.join(f'{shown(name)} ({kind})' for name, kind in facts.columns.items())}")
    if facts.created:  # of a library elsewhere neither is known
        print(f"on disk   {sized(facts.bytes)}, made {facts.created}")
