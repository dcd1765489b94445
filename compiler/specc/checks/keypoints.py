"""Values of keypoint heads that contradict each other: E341..E345."""

from __future__ import annotations

from collections.abc import Iterator

from specc.diagnostics import Diagnostic, Path, drop, likely, put
from specc.heads.keypoint_detection import KeypointDetection
from specc.job import Job
from specc.words import clip, close_to, did_you_mean, number_of

MIRRORING = ("horizontal_flip", "vertical_flip", "transpose")


def keypoint_heads(job: Job) -> Iterator[tuple[Path, KeypointDetection]]:
    for index, head in enumerate(job.heads):
        if isinstance(head, KeypointDetection):
            yield ("model", "heads", index), head


def flip_pairs(job: Job, given: dict) -> list[Diagnostic]:
    """A pair names keypoints of its head, and no keypoint is in two pairs."""
    findings = []
    for path, head in keypoint_heads(job):
        seen = set()
        for number, pair in enumerate(head.flip_pairs or ()):
            for side, name in enumerate(pair):
                place = (*path, "flip_pairs", number, side)
                if name not in head.keypoints:
                    findings.append(_unknown(head, name, place))
                elif name in seen:
                    findings.append(_twice(head, name, place))
                seen.add(name)
    return findings


def _unknown(head: KeypointDetection, name: str, path: Path) -> Diagnostic:
    message = (
        f"a flip pair names `{clip(name)}`, head `{head.name}` has no such keypoint"
    )
    close = did_you_mean(name, list(head.keypoints))
    help = close or "name two of the head's `keypoints`, or remove the pair"
    meant = close_to(name, list(head.keypoints))
    edit = likely(put(path, meant) if meant else drop(path[:-1]))
    return Diagnostic("E341", message, path, help=help, edit=edit)


def _twice(head: KeypointDetection, name: str, path: Path) -> Diagnostic:
    message = f"the keypoint `{clip(name)}` of head `{head.name}` is in two flip pairs"
    note = "where an image is mirrored, a keypoint changes places with one other"
    help, edit = "remove one of the two pairs", likely(drop(path[:-1]))
    return Diagnostic("E342", message, path, note=note, help=help, edit=edit)


def sigmas(job: Job, given: dict) -> list[Diagnostic]:
    """One sigma for each keypoint."""
    findings = []
    for path, head in keypoint_heads(job):
        count, keypoints = len(head.sigmas or head.keypoints), len(head.keypoints)
        if count != keypoints:
            known, given = number_of(keypoints, "keypoint"), number_of(count, "sigma")
            message = f"head `{head.name}` has {known} and {given}"
            sigmas = number_of(keypoints, "sigma")
            help = f"write {sigmas} in the order of the keypoints, or null"
            findings.append(
                Diagnostic(
                    "E343",
                    message,
                    (*path, "sigmas"),
                    help=help,
                    edit=likely(drop((*path, "sigmas"))),
                )
            )
    return findings


def mirroring(job: Job, given: dict) -> list[Diagnostic]:
    """E344: a head says which keypoints change places where images are mirrored."""
    augmentation = job.data.augmentation
    chosen = [
        name for name in MIRRORING if augmentation and getattr(augmentation, name)
    ]
    silent = [head for _, head in keypoint_heads(job) if head.flip_pairs is None]
    return [
        Diagnostic(
            "E344",
            f"`{name}` mirrors images, head `{head.name}` has no `flip_pairs`",
            ("data", "augmentation", name),
            note="mirrored, a left eye looks like a right one, and is labeled as left",
            help=f'add "flip_pairs" to `{head.name}` ([] where no keypoint changes'
            f" places), or set /data/augmentation/{name} to false",
            edit=likely(put(("data", "augmentation", name), False)),
        )
        for name in chosen
        for head in silent[:1]
    ]
