# ==== runtime


def found_segments(
    found: dict, things: list[int], stuff: list[int], height: int, width: int
) -> dict:
    """Merges instances and stuff without overlap, as `merge_segments` of model.py does:
    the category of each pixel, -1 where unknown, its instance, 0 where it has none, and
    the scores of the instances."""
    instances, classes = np.zeros((height, width), np.int32), found["classes"]
    for i in range(found["count"]):
        place, mask = mask_inside(found["boxes"][i], found["masks"][i], found["stride"])
        seen = mask & (instances[place] == 0)
        if 2 * seen.sum() > mask.sum():  # better ones hide less than half of it
            instances[place][seen] = i + 1

    # The map of stuff has cells twice as large. In bands, to spare memory.
    y = (np.arange(height, dtype=np.float32) + 0.5) / (2 * found["stride"][1])
    x = (np.arange(width, dtype=np.float32) + 0.5) / (2 * found["stride"][0])
    bands = [y[start : start + 64] for start in range(0, height, 64)]
    kinds = [interpolated(found["stuff"], band, x).argmax(0) for band in bands]
    kinds = np.where(instances > 0, 0, np.concatenate(kinds))
    area = np.bincount(kinds.ravel(), minlength=1 + len(stuff))
    kinds = np.where(area[kinds] < LEAST_STUFF * kinds.size, 0, kinds)
    of_instances = np.array([0, *(things[number] for number in classes)])[instances]
    categories = np.where(instances > 0, of_instances, np.array([-1, *stuff])[kinds])
    return {
        "categories": categories.astype(np.int16),
        "instances": instances,
        "scores": found["scores"][: found["count"]].tolist(),
    }
