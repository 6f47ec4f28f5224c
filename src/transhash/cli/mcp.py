"""transhash mcp: a library for agents."""

from __future__ import annotations

from pathlib import Path

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import LibraryOption, ModelOption
from transhash.system import needs

EXAMPLES = """\
  transhash mcp --library photos/
"""


def mcp(*, library: LibraryOption = None, model: ModelOption = None) -> None:
    """Let agents search a library, over the Model Context Protocol.

    An agent's program starts it and speaks with it on standard input and output (docs/agents.md). The tools search by
    picture, by words, for more like a picture, and for duplicates. They show small copies, and change nothing.
    """
    with needs("mcp"):
        import mcp.server.mcpserver  # noqa: F401
    from transhash.server.agents import tools

    with open_library(find_library(library, [Path.cwd()]), model) as opened:
        opened.model  # noqa: B018 - found now rather than in the first search
        tools(opened).run("stdio")
