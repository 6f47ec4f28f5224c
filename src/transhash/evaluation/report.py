"""Scores for people: a table for the terminal, and one in Markdown that sets several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping

from transhash.evaluation.scores import Scores


def text(scores: Scores) -> str:
    """One run as aligned lines of plain text, without a newline at the end."""
    cut = f"mAP@{scores.topk:,}"
    rows = [
        (f"{cut}, mean over the orders of ties", scores.map),
        (f"{cut}, ties in database order", scores.map_conventional),
        (f"{cut}, ties in database order, only queries with a hit", scores.map_skipping),
        *(
            [(f"{cut}, ties by the query's relaxed code", scores.map_reranked)]
            if scores.map_reranked is not None
            else []
        ),
        *((f"precision@{place:,}", precision) for place, precision in scores.precision_at.items()),
        ("precision within radius 2", scores.precision_radius_2),
        ("recall within radius 2", scores.recall_radius_2),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{scores.queries:,} queries, {scores.database:,} items in the database, {scores.bits} bits"]
    if scores.queries_without_relevant:
        lines.append(f"{scores.queries_without_relevant:,} queries have no relevant item in the database")
    return "\n".join(lines + [f"{name:<{width}}  {value:.4f}" for name, value in rows])


def markdown(runs: Mapping[str, Scores]) -> str:
    """A Markdown table with a row for each named run, without a newline at the end."""
    lines = [
        "| run | bits | k | mAP@k (tie-aware) | mAP@k (conventional) | P within radius 2 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, scores in runs.items():
        figures = (scores.map, scores.map_conventional, scores.precision_radius_2)
        cells = (name.replace("|", r"\|"), str(scores.bits), f"{scores.topk:,}", *(f"{value:.4f}" for value in figures))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
