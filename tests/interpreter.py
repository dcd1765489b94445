"""Runs a level graph with torch: the reference that emitted models are compared with."""

import math

import networkx as nx
import torch
import torch.nn.functional as F

from specc.graph.levels import inputs_of

EPSILON = 1e-5  # torch's default for group norms
ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "gelu": F.gelu,
    "hardswish": F.hardswish,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
}


def random_state(graph, device="cpu", dtype=torch.float32):
    """A state dict of random weights for every key of the graph."""
    generator = None if device == "meta" else torch.Generator(device).manual_seed(0)
    state = {}
    for _, node in graph.nodes.data():
        for key, shape in (node["parameters"] | node["buffers"]).items():
            if key.endswith("num_batches_tracked"):
                state[key] = torch.zeros(shape, dtype=torch.long, device=device)
                continue
            value = torch.rand(shape, generator=generator, dtype=dtype, device=device)
            if node["operation"] in ("conv", "linear"):
                fan_in = max(1, value[0].numel())
                value = (value - 0.4) / fan_in**0.5
            state[key] = value + 0.5 if "running_var" in key else value
    return state


def run(graph, state, images):
    """Node -> output for a batch of images, in evaluation mode."""
    results = {graph.graph["image"]: images}
    for node in nx.topological_sort(graph):
        if node not in results:
            inputs = [results[x] for x in inputs_of(graph, node)]
            results[node] = evaluate(graph.nodes[node], inputs, state)
    return results


def evaluate(node, inputs, state):
    prefix, options = node["prefix"], node["options"]
    weights = {
        key.removeprefix(f"{prefix}."): state[key]
        for key in node["parameters"] | node["buffers"]
    }
    x = inputs[0] if inputs else None
    match node["operation"]:
        case "conv":
            return convolve(x, weights, options)
        case "batch_norm":
            moments = weights["running_mean"], weights["running_var"]
            affine = weights["weight"], weights["bias"]
            return F.batch_norm(x, *moments, *affine, eps=options["eps"])
        case "group_norm":
            affine = weights["weight"], weights["bias"]
            return F.group_norm(x, options["groups"], *affine, eps=EPSILON)
        case name if name in ACTIVATIONS:
            return ACTIVATIONS[name](x)
        case "max_pool":
            window = options["kernel"], options["stride"], options["padding"]
            return F.max_pool2d(x, *window)
        case "add":
            return sum(inputs[1:], start=x)
        case "fuse":
            shares = weights["weights"].relu()
            shares = shares / (shares.sum() + 1e-4)
            return sum(share * y for share, y in zip(shares, inputs, strict=True))
        case "multiply":
            return x * inputs[1]
        case "squeeze":
            return x.mean((2, 3), keepdim=True)
        case "upsample":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        case "global_pool":
            return x.mean((2, 3))
        case "linear":
            return F.linear(x, weights["weight"], weights["bias"])
        case "layer_norm":
            return F.layer_norm(x, x.shape[-1:], weights["weight"], weights["bias"])
        case "positions":
            return positions(x)
        case "embedding":  # one for each place, in order
            return weights["weight"][None]
        case "attention":
            return attend(*inputs, options["heads"])
        case "flatten":
            return x.flatten(2).transpose(1, 2).reshape(len(x), *node["shape"])
        case "concat":
            return torch.cat(inputs, dim=1)
    raise NotImplementedError(node["operation"])


def convolve(x, weights, options):
    padding = options["padding"]
    if padding == "same":
        # TensorFlow's rule, for any size: as much as gives ceil(side / stride) cells,
        # the smaller half first.
        kernel, stride = options["kernel"], options["stride"]
        border = []
        for side in (x.shape[3], x.shape[2]):
            total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            border += [total // 2, total - total // 2]
        x, padding = F.pad(x, border), 0
    window = {"stride": options["stride"], "padding": padding}
    window["groups"] = options["groups"]
    return F.conv2d(x, weights["weight"], weights.get("bias"), **window)


def positions(x):
    """Half of the channels tell the row of a cell, half its column: sines, then cosines
    of waves whose frequencies rise by a constant factor from 1/2 to 16."""
    channels, height, width = x.shape[1:]
    count = channels // 4
    found = torch.zeros(height, width, channels)
    for row in range(height):
        for column in range(width):
            for half, place in enumerate(
                ((row + 0.5) / height, (column + 0.5) / width)
            ):
                for i in range(count):
                    frequency = 0.5 * 32 ** (i / (count - 1))
                    angle = torch.tensor(2 * math.pi * frequency * place)
                    start = half * channels // 2 + i
                    found[row, column, start] = angle.sin()
                    found[row, column, start + count] = angle.cos()
    return found.view(1, height * width, channels)


def attend(queries, keys, values, heads):
    share = queries.shape[-1] // heads
    found = []
    for q, k, v in zip(*(x.split(share, -1) for x in (queries, keys, values))):
        found.append((q @ k.transpose(1, 2) / share**0.5).softmax(-1) @ v)
    return torch.cat(found, -1)
