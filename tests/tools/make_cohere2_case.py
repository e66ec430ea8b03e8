#!/usr/bin/env python3
"""Writes a small cohere2 model and the logits that it must give.

An independent reference for tests: plain Python, double precision, over the
weights as the file stores them, written from the published description of the
architecture (Cohere's Command-R7B) and of GGUF. It shares no code with Shoal.
Run it again only to change the case; the files are the same on every run:

    tests/tools/make_cohere2_case.py tests/e2e/data/logits

The file NAME.json says what is where (tests/e2e/data/README.md).
"""

import array
import dataclasses
import hashlib
import json
import math
import operator
import os
import random
import struct
import sys

NAME = "cohere2-q8_0"
SEED = 10
GENERATED = 24
MARGIN_MIN = 0.05  # of greedy tokens: far above what rounding can turn


def f32(x):
    """x as the file can store it."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


@dataclasses.dataclass
class Shape:
    layers: int = 6
    hidden: int = 64
    width: int = 96
    heads: int = 8
    kv_heads: int = 4
    head: int = 8
    vocabulary: int = 272
    window: int = 11
    whole_every: int = 4
    base: float = 50000.0
    epsilon: float = f32(1e-5)
    logit_scale: float = 0.25


# ---- weights, as stored ----------------------------------------------------


class Q8Matrix:
    """Blocks of 32 values of a row: a half-precision scale and 32 signed
    bytes."""

    kind, kind_name = 8, "Q8_0"

    def __init__(self, rows):
        self.data = bytearray()
        self.rows = []
        for row in rows:
            stored = []
            for begin in range(0, len(row), 32):
                block = row[begin:begin + 32]
                scale = max(abs(x) for x in block) / 127
                packed = struct.pack("<e", scale)
                scale = struct.unpack("<e", packed)[0]
                codes = [max(-127, min(127, round(x / scale))) for x in block]
                self.data += packed + struct.pack("<32b", *codes)
                stored += [code * scale for code in codes]
            self.rows.append(stored)


class F32Matrix:
    kind, kind_name = 0, "F32"

    def __init__(self, rows):
        self.rows = [[f32(x) for x in row] for row in rows]
        self.data = b"".join(struct.pack(f"<{len(r)}f", *r) for r in rows)


class F32Vector:
    kind, kind_name = 0, "F32"

    def __init__(self, values):
        self.values = [f32(x) for x in values]
        self.data = struct.pack(f"<{len(values)}f", *values)


def make_weights(shape, rng):
    def matrix(kind, rows, columns, spread=1.0):
        deviation = spread / math.sqrt(columns)
        return kind([[rng.gauss(0, deviation) for _ in range(columns)]
                     for _ in range(rows)])

    def norm():
        return F32Vector([rng.uniform(0.6, 1.5) for _ in range(shape.hidden)])

    tensors = {
        "token_embd.weight": matrix(Q8Matrix, shape.vocabulary, shape.hidden,
                                    math.sqrt(shape.hidden)),
        "output_norm.weight": norm(),
    }
    rows = shape.heads * shape.head
    kv_rows = shape.kv_heads * shape.head
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        # Both kinds of layer with both types of weights.
        kind = F32Matrix if layer in (2, 3) else Q8Matrix
        tensors |= {
            block + "attn_norm.weight": norm(),
            block + "attn_q.weight": matrix(kind, rows, shape.hidden, 1.4),
            block + "attn_k.weight": matrix(kind, kv_rows, shape.hidden, 1.4),
            block + "attn_v.weight": matrix(kind, kv_rows, shape.hidden, 1.5),
            block + "attn_output.weight":
                matrix(Q8Matrix, shape.hidden, rows, 1.5),
            block + "ffn_gate.weight":
                matrix(Q8Matrix, shape.width, shape.hidden, 1.5),
            block + "ffn_up.weight":
                matrix(Q8Matrix, shape.width, shape.hidden),
            block + "ffn_down.weight":
                matrix(Q8Matrix, shape.hidden, shape.width),
        }
    return tensors


# ---- the forward pass ------------------------------------------------------


def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


def plain(x):
    return x


def eight_bits(x):
    """What an engine that rounds activations to 8 bits multiplies with."""
    rounded = []
    for begin in range(0, len(x), 32):
        block = x[begin:begin + 32]
        scale = max(abs(v) for v in block) / 127 or 1.0
        rounded += [round(v / scale) * scale for v in block]
    return rounded


class Reference:
    """One token after another, with every key and value kept.

    `mistake` names one thing to do wrong, `rounding` what happens to the
    vector before a product with Q8_0 weights.
    """

    def __init__(self, shape, tensors, mistake="", rounding=plain):
        self.shape, self.tensors = shape, tensors
        self.mistake, self.rounding = mistake, rounding
        self.keys = [[] for _ in range(shape.layers)]
        self.values = [[] for _ in range(shape.layers)]

    def product(self, name, x):
        matrix = self.tensors[name]
        if matrix.kind == Q8Matrix.kind:
            x = self.rounding(x)
        return [dot(row, x) for row in matrix.rows]

    def norm(self, name, x):
        weight = self.tensors[name].values
        mean = 0.0 if self.mistake == "rms norm" else math.fsum(x) / len(x)
        centred = [v - mean for v in x]
        variance = math.fsum(v * v for v in centred) / len(x)
        factor = 1 / math.sqrt(variance + self.shape.epsilon)
        return [v * factor * w for v, w in zip(centred, weight)]

    def rotated(self, head, position):
        size = len(head)
        out = list(head)
        for pair in range(size // 2):
            angle = position * self.shape.base ** (-2 * pair / size)
            a, b = 2 * pair, 2 * pair + 1
            if self.mistake == "halves rotated":
                a, b = pair, pair + size // 2
            c, s = math.cos(angle), math.sin(angle)
            out[a] = head[a] * c - head[b] * s
            out[b] = head[a] * s + head[b] * c
        return out

    def attention(self, layer, x):
        shape = self.shape
        block = f"blk.{layer}."
        position = len(self.keys[layer])
        shift = 1 if self.mistake == "pattern shifted" else 0
        whole = (layer + 1 + shift) % shape.whole_every == 0
        rotates = not whole or self.mistake == "all rotated"

        def heads(stem):
            flat = self.product(block + stem + ".weight", x)
            return [flat[i:i + shape.head]
                    for i in range(0, len(flat), shape.head)]

        queries, keys = heads("attn_q"), heads("attn_k")
        if rotates:
            queries = [self.rotated(h, position) for h in queries]
            keys = [self.rotated(h, position) for h in keys]
        self.keys[layer].append(keys)
        self.values[layer].append(heads("attn_v"))
        first = 0
        if not whole and self.mistake != "no window":
            window = shape.window
            window += 1 if self.mistake == "window of one more" else 0
            first = max(0, position + 1 - window)
        seen = range(first, position + 1)
        joined = []
        for h, query in enumerate(queries):
            group = h // (shape.heads // shape.kv_heads)
            scores = [
                dot(query, self.keys[layer][p][group]) / math.sqrt(shape.head)
                for p in seen]
            top = max(scores)
            weights = [math.exp(s - top) for s in scores]
            total = math.fsum(weights)
            joined += [
                math.fsum(w * self.values[layer][p][group][i]
                          for w, p in zip(weights, seen)) / total
                for i in range(shape.head)]
        return self.product(block + "attn_output.weight", joined)

    def ffn(self, layer, x):
        block = f"blk.{layer}."
        gate = self.product(block + "ffn_gate.weight", x)
        up = self.product(block + "ffn_up.weight", x)
        inner = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)]
        return self.product(block + "ffn_down.weight", inner)

    def logits(self, token):
        residual = list(self.tensors["token_embd.weight"].rows[token])
        for layer in range(self.shape.layers):
            name = f"blk.{layer}.attn_norm.weight"
            x = self.norm(name, residual)
            after = self.attention(layer, x)
            if self.mistake == "one after the other":
                x = self.norm(name, [r + a for r, a in zip(residual, after)])
            inner = self.ffn(layer, x)
            residual = [r + a + f for r, a, f in zip(residual, after, inner)]
        x = self.norm("output_norm.weight", residual)
        scale = self.shape.logit_scale
        scale = 1.0 if self.mistake == "logits unscaled" else scale
        return [v * scale for v in self.product("token_embd.weight", x)]


def forced(reference, tokens):
    return [reference.logits(token) for token in tokens]


def rms(a, b):
    count = sum(len(row) for row in a)
    return math.sqrt(math.fsum((x - y) ** 2 for p, q in zip(a, b)
                               for x, y in zip(p, q)) / count)


# ---- GGUF ------------------------------------------------------------------


def gguf_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(value):
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    if isinstance(value[0], int):
        return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(
        gguf_string(text) for text in value)


def byte_letters():
    """The printable letter that stands for each byte in a byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable}
    letters |= {b: chr(256 + i) for i, b in enumerate(others)}
    return [letters[b] for b in range(256)]


def metadata(shape):
    specials = ["<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK>", "<BOS_TOKEN>",
                "<EOS_TOKEN>"]
    merges = ["t h", "i n", "a n", "e r", "o n", "r e", "th e", "in g",
              "an d"]
    tokens = specials + byte_letters() + [m.replace(" ", "") for m in merges]
    assert len(tokens) == shape.vocabulary
    kinds = [3] * len(specials) + [1] * (len(tokens) - len(specials))
    own = {
        "block_count": shape.layers,
        "context_length": 8192,
        "embedding_length": shape.hidden,
        "feed_forward_length": shape.width,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head,
        "attention.value_length": shape.head,
        "attention.layer_norm_epsilon": shape.epsilon,
        "attention.sliding_window": shape.window,
        "logit_scale": shape.logit_scale,
        "vocab_size": shape.vocabulary,
        "rope.dimension_count": shape.head,
        "rope.freq_base": shape.base,
        "rope.scaling.type": "none",
    }
    return {
        "general.architecture": "cohere2",
        "general.name": "random " + NAME,
        **{"cohere2." + key: value for key, value in own.items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "command-r",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 5,
        "tokenizer.ggml.eos_token_id": 6,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
    }


def gguf_file(keys, tensors):
    def padded(data):
        return data + bytes(-len(data) % 32)

    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    for key, value in keys.items():
        head += gguf_string(key) + gguf_value(value)
    body = b""
    for name, tensor in tensors.items():
        dims = ([len(tensor.values)] if isinstance(tensor, F32Vector) else
                [len(tensor.rows[0]), len(tensor.rows)])
        head += gguf_string(name) + struct.pack(
            f"<I{len(dims)}QIQ", len(dims), *dims, tensor.kind, len(body))
        body += padded(bytes(tensor.data))
    return padded(head) + body


# ---- the case --------------------------------------------------------------

MISTAKES = ("halves rotated", "all rotated", "no window", "window of one more",
            "pattern shifted", "one after the other", "rms norm",
            "logits unscaled")


def run_prompt(shape, tensors, tokens, floats):
    """Greedy continuation; appends the logits to `floats`."""
    reference = Reference(shape, tensors)
    last = forced(reference, tokens)[-1]
    greedy, margins, logits = [], [], last
    while True:
        first, second = sorted(logits, reverse=True)[:2]
        greedy.append(logits.index(first))
        margins.append(round(first - second, 6))
        if len(greedy) == GENERATED:
            break
        logits = reference.logits(greedy[-1])
    places = []
    for values in (last, logits):
        places.append({"offset": len(floats), "count": len(values)})
        floats.extend(values)
    return {
        "tokens": tokens,
        "n_prompt": len(tokens),
        "n_gen": GENERATED,
        "last_logits_f64eval": places[0],
        "final_step_logits_f64eval": places[1],
        "greedy": greedy,
        "greedy_margin": margins,
    }


def make_case(shape, seed):
    rng = random.Random(seed)
    tensors = make_weights(shape, rng)
    floats = array.array("f")
    prompts = []
    for length in (37, 3):
        tokens = [5] + [rng.randrange(7, shape.vocabulary)
                        for _ in range(length - 1)]
        prompts.append(run_prompt(shape, tensors, tokens, floats))
        if min(prompts[-1]["greedy_margin"]) < MARGIN_MIN:
            return None
    data = gguf_file(metadata(shape), tensors)
    sequences = [p["tokens"] + p["greedy"][:-1] for p in prompts]

    def all_logits(**changes):
        return [row for tokens in sequences
                for row in forced(Reference(shape, tensors, **changes), tokens)]

    exact = all_logits()
    rounded = all_logits(rounding=eight_bits)
    noise_max = max(abs(x - y) for p, q in zip(exact, rounded)
                    for x, y in zip(p, q))
    kinds = [tensor.kind_name for tensor in tensors.values()]
    case = {
        "name": NAME,
        "arch": "cohere2",
        "file": NAME + ".gguf",
        "file_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "tensor_types": {kind: kinds.count(kind) for kind in set(kinds)},
        "n_vocab": shape.vocabulary,
        "shape": dataclasses.asdict(shape),
        "tokenizer": "bpe:command-r",
        "reference": {"program": "tests/tools/make_cohere2_case.py",
                      "seed": seed},
        "noise_rms": round(rms(exact, rounded), 6),
        "noise_max": round(noise_max, 6),
        "noise_what": "the reference with activations rounded to 8 bits in "
                      "blocks of 32 before each product with Q8_0 weights, "
                      "minus without, over all positions of both prompts",
        "sensitivity": {
            mistake: round(rms(exact, all_logits(mistake=mistake)), 4)
            for mistake in MISTAKES},
        "prompts": prompts,
    }
    return case, data, floats


def main():
    folder = sys.argv[1]
    made = make_case(Shape(), SEED)
    if made is None:
        sys.exit(f"seed {SEED}: a greedy margin is below {MARGIN_MIN}; "
                 "take another")
    case, data, floats = made
    assert min(case["sensitivity"].values()) > 0.01, case["sensitivity"]
    if sys.byteorder != "little":
        floats.byteswap()
    for suffix, content in ((".gguf", data), (".f32", floats.tobytes()),
                            (".json", json.dumps(case, sort_keys=True)
                             .encode() + b"\n")):
        with open(os.path.join(folder, NAME + suffix), "wb") as file:
            file.write(content)
    print(len(data), "bytes;", "noise", case["noise_rms"], case["sensitivity"])


if __name__ == "__main__":
    main()
