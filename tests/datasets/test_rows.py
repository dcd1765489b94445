"""Each of the datasets that people have leads from `init` to a run, or is refused."""

from __future__ import annotations

import pytest
import rows
import rows_coco  # noqa: F401
import rows_maps  # noqa: F401
import rows_tables  # noqa: F401
import rows_yolo  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.soak]


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_a_row(place, monkeypatch, capsys, row):
    rows.follow(row, place, monkeypatch, capsys)
