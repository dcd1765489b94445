# ==== labels


class Identity(str):
    """The name of an identity, and its number among those of its set."""

    number: int

    def __new__(cls, name: str, number: int):
        identity = super().__new__(cls, name)
        identity.number = number
        return identity


# ==== sets


def numbered(samples: list[Sample], head: str) -> list[Sample]:
    """Returns samples whose identities have numbers, in sorted order."""
    labeled = [sample for sample in samples if head in sample.labels]
    names = sorted({sample.labels[head] for sample in labeled})
    known = {name: Identity(name, number) for number, name in enumerate(names)}
    for sample in labeled:
        sample.labels[head] = known[sample.labels[head]]
    return samples


def check_identities(samples: list[Sample], use: str, head: str):
    """Ends the run where no identity has two images, of which one finds the other;
    tells how many have a single one."""
    images = Counter(sample.labels[head] for sample in samples if head in sample.labels)
    alone = sum(count == 1 for count in images.values())
    told = f"{head}: {alone} of {len(images)} identities to {use} on have one image"
    if alone == len(images):
        raise SystemExit(told)
    if alone:
        say(told)


def check_count(samples: list[Sample], use: str, head: str, count: int):
    """Ends the run where a set to train on has more identities than the job counts;
    tells where it has fewer."""
    known = {sample.labels[head] for sample in samples if head in sample.labels}
    told = f"{head}: {len(known):,} identities to train on, the job counts {count:,}"
    if use == "train" and len(known) > count:
        raise SystemExit(told)
    if use == "train" and len(known) < count:
        say(told)


# ==== readers_native


def read_identities(
    folder: Path, task: str, key: str, names: tuple[str, ...], training: bool
) -> dict:
    """Identities by image. Where the model trains on them, those of the dataset must be
    the job's; elsewhere they may be others."""
    if training:
        return annotations_of(*described_alike(folder, task, key, names))
    path, entries = entries_of(folder, task)
    if len(entries) > 1:
        entries = [e for e in entries if names_of(path, e, key) & set(names)]
    if len(entries) != 1:
        raise SystemExit(f"{path}: several entries with `task: {task}`")
    return annotations_of(path, entries[0])


# ==== parsers


def parse_identity(given: object, known: dict[str, int], training: bool) -> str:
    """Returns the name of an identity; ValueError in training if the job lacks it."""
    if training and str(given).strip() not in known:
        raise ValueError(f"not an identity of the job: {given!r:.100}")
    if not isinstance(given, (str, int, float)):
        raise ValueError(f"not the name of an identity: {given!r:.100}")
    return str(given).strip()
