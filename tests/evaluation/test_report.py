"""Tables of scores."""

from __future__ import annotations

import numpy as np
import pytest

from transhash.evaluation import Scores
from transhash.evaluation.report import markdown, text


@pytest.fixture
def scores() -> Scores:
    radii = np.linspace(1, 0, 17)
    return Scores(
        map=0.91234,
        map_conventional=0.9,
        map_skipping=0.95,
        precision_at={1: 1.0, 1000: 0.5},
        precision_by_radius=radii,
        recall_by_radius=1 - radii,
        bits=16,
        queries=1000,
        queries_without_relevant=0,
        database=54000,
        topk=5000,
    )


def test_text_names_every_figure_in_one_column(scores: Scores) -> None:
    head, *rows = text(scores).splitlines()
    assert head == "1,000 queries, 54,000 items in the database, 16 bits"
    assert rows[0].startswith("mAP@5,000, mean over the orders of ties ")
    assert [row.split()[-1] for row in rows] == ["0.9123", "0.9000", "0.9500", "1.0000", "0.5000", "0.8750", "0.1250"]
    assert len({len(row) for row in rows}) == 1
    assert "precision@1,000" in rows[4]


def test_text_tells_of_queries_without_relevant_items(scores: Scores) -> None:
    few = Scores(**{**vars(scores), "queries_without_relevant": 3})
    assert text(few).splitlines()[1] == "3 queries have no relevant item in the database"


def test_markdown_has_a_row_for_each_run(scores: Scores) -> None:
    table = markdown({"TransHash": scores, "a|b": scores}).splitlines()
    assert table[2] == "| TransHash | 16 | 5,000 | 0.9123 | 0.9000 | 0.8750 |"
    assert table[3].startswith(r"| a\|b | 16 |")
    assert len(table) == 4
