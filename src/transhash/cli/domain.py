"""What `transhash evaluate` prints of a data set that a model was not trained on: tables, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transhash.cli.common import extra, print_json, say

if TYPE_CHECKING:
    from transhash.data.changes import Change
    from transhash.experiments.domain import Domain


def changes(texts: Sequence[str], *, listed: bool) -> list[Change]:
    """The changes that a user names; the whole list for `all`, or for none where a list is wanted."""
    from transhash.data.changes import STRESS, parse

    return [parse(text) for text in (STRESS if "all" in texts or (listed and not texts) else texts)]


def in_domain(
    domain: Domain,
    *,
    beside: bool,
    changes: Sequence[Change],
    copies: bool,
    reliability: Path | None,
    as_json: bool,
) -> None:
    """Print the tables that were asked for: codes beside other methods, changed queries, copies, probabilities."""
    from transhash.experiments import finding, unseen

    if beside and not copies:
        rows = domain.beside()
        _print([row.to_dict() for row in rows], unseen.markdown(rows), as_json)
    if changes and not copies:
        scores = domain.stressed(changes)
        found = [{"change": change, **figures} for change, figures in scores.items()]
        _print(found, unseen.stressed_markdown(scores), as_json)
    if copies:
        from transhash.experiments.perceptual import NAMES

        with extra("bench"):
            if beside:
                import imagehash  # noqa: F401 - missing, it is named before anything is encoded
            located = domain.copies(changes, hashes=NAMES if beside else ())
        text = (
            f"Nearest of all\n{finding.markdown(located, 'nearest')}\n\n{finding.WITHIN}\n{finding.markdown(located)}"
        )
        _print([each.to_dict() for each in located], text, as_json)
    if reliability:
        with extra("bench"):
            from transhash.experiments import diagram
        curves = domain.reliability(domain.model.bits)
        title = f"{domain.model.name}, {domain.model.bits} bits, {domain.protocol}"
        files = diagram.draw(curves, title, reliability.with_suffix(""))
        facts = [{"calibration": name, **curve.to_dict()} for name, curve in curves.items()]
        text = "\n".join(f"{name}: expected calibration error {c.expected_error:.4f}" for name, c in curves.items())
        _print(facts, text, as_json)
        say(f"drawn: {', '.join(map(str, files))}")


def _print(facts: Sequence[dict[str, Any]], text: str, as_json: bool) -> None:
    if as_json:
        for fact in facts:
            print_json(fact)
    else:
        print(f"{text}\n")
