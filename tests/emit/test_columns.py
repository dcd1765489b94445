"""The columns of samples.py, by the types of labels."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from specc.emit.columns import KINDS, label_columns
from specc.emit.parts import PartError, Shelf

LABEL = '''\
# ==== labels


class Seen(NamedTuple):
    """A label with fields of all kinds."""

    boxes: np.ndarray  # (G, 4)
    mask: Path | None
{more}
    def count(self) -> int:
        return len(self.boxes)
'''


def columns_of(label: str, more: str = ""):
    text = LABEL.format(more=f"{more}\n")
    shelves = [Shelf("heads/seen/dataset.py", text, lambda: text)]
    (found,) = label_columns([SimpleNamespace(name="it")], [label], shelves, "at")
    return found


def test_a_column_keeps_each_field_of_a_label():
    found = columns_of("Seen")
    assert [column.name for column in found.columns] == ["it/boxes", "it/mask"]
    assert found.columns[0].kept == "[label.boxes for label in labels]"
    assert found.made.startswith("Seen(self.rows('it/boxes', at), Path(path) if ")


def test_a_label_that_is_one_value_is_one_column():
    found = columns_of("int")
    assert [(x.name, x.kept) for x in found.columns] == [("it", "labels")]
    assert found.made == "self.columns['it'][at].item()"


def test_no_label_has_no_column():
    found = columns_of("None")
    assert not found.columns and found.made == "None"


def test_a_type_that_nothing_keeps_is_named_with_its_line():
    assert "set[int]" not in KINDS
    with pytest.raises(PartError) as caught:
        columns_of("Seen", "    kinds: set[int]")
    place = "templates/heads/seen/dataset.py, line 9"
    assert str(caught.value).startswith(f"{place}: `Seen.kinds`: no column keeps")
