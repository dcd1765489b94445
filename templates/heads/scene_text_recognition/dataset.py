# ==== readers_native


def read_texts(folder: Path, names: tuple[str, ...]) -> dict:
    """Texts by image, once the dataset's tokens are known to be the job's."""
    path, entries = entries_of(folder, "scene text recognition")
    # Entries may differ in their tokens: the one nearest to the job's is meant.
    entry = max(entries, key=lambda e: len(set(names) & tokens_in(path, e)))
    compare_names(path, "tokens", tokens_in(path, entry), set(names))
    return annotations_of(path, entry)


def tokens_in(path: Path, entry: dict) -> set[str]:
    tokens = entry.get("tokens")
    if not isinstance(tokens, (str, list)):
        wanted = "a list, or a text in quotes"
        raise SystemExit(f"{path}: `tokens` is not {wanted}: {tokens!r:.100}")
    return {str(token) for token in tokens}


# ==== parsers


def parse_text(given: object, names: tuple[str, ...], most: int) -> list[int]:
    """Returns indices of a text's tokens, then of its end, len(names), up to place
    `most`; ValueError says what is wrong."""
    if not isinstance(given, (str, list)):
        raise ValueError(f"not a text in quotes or a list of tokens: {given!r:.100}")
    tokens = [str(token) for token in given]
    unknown = [token for token in tokens if token not in names]
    if unknown:
        raise ValueError(
            f"not a token of the job: {unknown[0]!r:.100} in {given!r:.100}"
        )
    if len(tokens) > most:
        raise ValueError(f"{len(tokens)} tokens, the job's max_tokens is {most}")
    ends = [len(names)] * (most + 1 - len(tokens))
    return [names.index(token) for token in tokens] + ends


def text_of(indices: list[int], names: tuple[str, ...]) -> str:
    """Returns the text of tokens by their indices, without the end token."""
    return "".join(names[i] for i in indices if i < len(names))
