"""The schema files: complete, valid, and one document."""

import json
import keyword
import re

import pytest
import torch
from jsonschema import Draft202012Validator

from specc.heads import HEADS
from specc.language.schema import bundled, fill, follow, head, part
from specc.resources import names, read_text


def options(schema, place="#"):
    """Every property of a schema: (place, name, its schema, whether it is required)."""
    for name, option in schema.get("properties", {}).items():
        yield f"{place}/{name}", name, option, name in schema.get("required", ())
    for name, value in schema.items():
        parts = value.items() if isinstance(value, dict) else ()
        if name in ("if", "not"):
            continue
        for key, item in parts:
            if isinstance(item, dict):
                yield from options(item, f"{place}/{name}/{key}")


OPTIONS = list(options(bundled()))


def test_the_bundle_is_a_schema():
    Draft202012Validator.check_schema(bundled())


@pytest.mark.parametrize("name", names("schema"))
def test_every_file_is_a_schema_by_itself(name):
    document = json.loads(read_text(f"schema/{name}"))
    assert document["$schema"].endswith("2020-12/schema")
    Draft202012Validator.check_schema(document)


def test_the_bundle_has_every_file_and_refers_only_to_itself():
    text = json.dumps(bundled())
    references = re.findall(r'"\$ref": "([^"]*)"', text)
    assert references
    for reference in references:
        assert reference.startswith("#/$defs/")
        assert follow({"$ref": reference})
    assert len(bundled()["$defs"]) == len(names("schema")) - 1


def test_the_bundle_is_the_same_every_time():
    first = json.dumps(bundled())
    bundled.cache_clear()
    assert json.dumps(bundled()) == first


def test_there_are_no_bare_choices():
    text = json.dumps(bundled())
    assert '"oneOf"' not in text and '"anyOf"' not in text


@pytest.mark.parametrize(
    "place, name, option, required", OPTIONS, ids=lambda x: str(x)[:60]
)
def test_every_option_is_described(place, name, option, required):
    full = follow(option)
    assert option["title"][0].isupper()
    assert len(option["description"]) > 8 and option["description"].endswith(".")
    if required or full.get("const") or place.endswith("/none/kind"):
        assert "default" not in option
    else:
        assert "default" in full
    types = full.get("type", [])
    if {"integer", "number"} & set([types] if isinstance(types, str) else types):
        assert "minimum" in full or "exclusiveMinimum" in full
        assert "maximum" in full or "exclusiveMaximum" in full


def test_the_dispatch_knows_every_task():
    tasks = part("head")["properties"]["task"]["enum"]
    assert tasks == sorted(HEADS)
    for task in tasks:
        assert head(task)["properties"]["task"]["const"] == task
        assert head(task)["x-metrics"] and head(task)["x-formats"]


def test_heads_cannot_take_names_that_torch_or_python_use():
    reserved = set(part("common")["$defs"]["head_name"]["not"]["enum"])
    legal = re.compile("[a-z][a-z0-9_-]*")
    attributes = filter(legal.fullmatch, dir(torch.nn.ModuleDict()))
    keywords = filter(legal.fullmatch, keyword.kwlist)
    assert {*attributes, *keywords} <= reserved


def test_fill_follows_references_and_kinds():
    optimizer = part("optimizer")
    assert fill({}, optimizer)["kind"] == "adamw"
    filled = fill({"kind": "sgd", "learning_rate": 1, "momentum": None}, optimizer)
    assert filled == {
        "kind": "sgd",
        "learning_rate": 1.0,
        "weight_decay": 0.0,
        "momentum": 0.9,
    }
    assert type(filled["learning_rate"]) is float


def test_the_defaults_are_legal():
    for place, name, option, required in OPTIONS:
        full = follow(option)
        if "default" in full:
            rules = {**full, "$defs": bundled()["$defs"]}
            assert not list(
                Draft202012Validator(rules).iter_errors(full["default"])
            ), place
