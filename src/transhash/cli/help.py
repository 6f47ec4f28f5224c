"""transhash help: the help of a verb, or what several verbs have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from transhash.cli.output import DONE

TOPICS = {
    "library": """\
Which library a verb uses
  1. the one that --library names: its folder, or the folder that contains it
     where it is called .transhash;
     for `info`, `search` and `serve` also an address: milvus://HOST:PORT/NAME,
     a collection, or for the first two http://HOST:PORT, a server;
  2. else the nearest .transhash at or above the folder that you name, or
     the current folder;
  3. else the one in the environment variable TRANSHASH_LIBRARY;
  4. else, for search and annotate, the nearest .transhash at or above the
     file that you name;
  5. else the only .transhash one level below the current folder;
  6. else the library that you used last; but not for annotate, calibrate,
     export and index, nor for duplicates with --plan, --not-duplicates or
     --verdicts: what is written goes to no library that you did not mean.
In cases 5 and 6 a message names the library. `index DIR` stops after 3, and
then makes a new library, DIR/.transhash. `import` stops after 3, and then makes
a new library, .transhash in the current folder.
""",
    "filters": """\
Filters: --where "width >= 800 and taken >= '2020'"
  Columns    path, folder, name (texts); width, height (pixels);
             size (bytes, or 2MB, 2MiB); taken, modified (dates);
             and your own (`transhash annotate`)
  Compare    = != < <= > >=   in ('a', 'b')   like 'IMG*'   is null
  Combine    and, or, not, parentheses
  Values     'texts' and 'dates' in single quotes; '2024' is that whole year,
             '2024-05-01' that day
  Paths      relative to the folder that contains the library; a text that
             begins with / is an absolute path
A picture without a value (such as `taken`) passes only `is null`.
docs/catalogue.md describes the language.
""",
    "options": """\
Options that several verbs have
  -l, --library LIB   The library to use (`transhash help library`).
  -m, --model MODEL   A model: a name that `transhash models` lists, the folder
                      that `fit` or `train` wrote, or OWNER/NAME on the hub.
  --bits N            Code length in bits, for a model that has several.
                      A library keeps its model and its code length.
  --dataset NAME      cifar10, imagenet100-64, …; folder for class folders of
                      your own (docs/protocols.md).
  --data PATH         The data set's folder or file.
  --protocol P        Which images are queries, which are searched, and which
                      are trained on; by default the data set's own protocol.
  --split-seed N      Seed of the protocol's random split.
  --json              Print JSON, one object a line, for other programs.
Results go to standard output, messages to standard error.
Exit codes: 0 all was done; 1 a part was done (some files failed, or Ctrl-C);
2 nothing was done.
In a script with `set -e`, one broken picture ends the script after `index`:
write `transhash index DIR || [ $? = 1 ]` to go on.
""",
    "environment": """\
Environment variables
  TRANSHASH_LIBRARY   The library to use when there is none at or above the
                      current folder.
  TRANSHASH_TOKEN     The secret that `serve` asks for, and that clients send.
  TRANSHASH_MAX_MEGAPIXELS
                      The largest picture that is read; 179 by default.
  TRANSHASH_THREADS   Threads to use; by default one for each core.
  HF_HOME             Where models of the Hugging Face hub are kept.
  HF_HUB_OFFLINE      1: nothing is downloaded from the hub.
  NUMBA_CACHE_DIR     Where compiled functions are kept, when the package's
                      folder cannot be written.
  RAY_ADDRESS         The cluster of `encode --engine ray`.
  XDG_DATA_HOME       Trash below it is the trash of the drive that your home is
                      on (Linux; ~/.local/share by default).
  XDG_STATE_HOME      transhash/last-library below it has the path of the
                      library that you used last (~/.local/state by default).
""",
}


def help_(
    context: typer.Context,
    subject: Annotated[str | None, typer.Argument(metavar="VERB|TOPIC", show_default=False)] = None,
) -> None:
    """Show the help of a verb, or of a topic: library, filters, options, environment."""
    program = context.find_root()
    if subject is None:
        print(program.get_help())
    elif subject in TOPICS:
        print(TOPICS[subject], end="")
    else:
        verb = program.command.get_command(program, subject)  # type: ignore[attr-defined]
        if verb is None:
            verbs = ", ".join(program.command.list_commands(program))  # type: ignore[attr-defined]
            raise typer.BadParameter(f"no verb or topic is called {subject!r}; there are {verbs}, {', '.join(TOPICS)}")
        print(verb.get_help(typer.Context(verb, info_name=subject, parent=program)))
    raise typer.Exit(DONE)
