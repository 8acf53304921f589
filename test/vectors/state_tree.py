"""Reproduces every value of state-tree.json from docs/STATE-TREE.md, with Python's standard library alone.

    python3 test/vectors/state_tree.py [state-tree.json]

Prints what it checked; ends with 1 and the first difference when a value is not reproduced.
"""

import hashlib
import json
import os
import struct
import sys

LAYERS = ["short_term", "long_term", "episodic", "semantic"]
ZERO = bytes(32)


def sha256(data):
    return hashlib.sha256(data).digest()


def unhex(text):
    return bytes.fromhex(text.replace("0x", "", 1).replace("-", ""))


def to_hex(data):
    return "0x" + data.hex()


# The canonical JSON of RFC 8785.


def number(value):
    """As ECMAScript prints it; repr gives the same shortest digits."""
    value = float(value)
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + ("" if fraction == "0" else fraction)
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    shown = digits if count == 1 else digits[0] + "." + digits[1:]
    return f"{sign}{shown}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def canonical(value):
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"


# The encoding of a memory, its key and its leaf.


def encode(tag, fields):
    parts = [tag.encode("ascii") + b"\0"]
    for field in fields:
        if field is None:
            parts.append(b"\0")
        else:
            data = field.encode("utf-8") if isinstance(field, str) else field
            parts.append(b"\1" + struct.pack(">I", len(data)) + data)
    return b"".join(parts)


def memory_key(namespace, name):
    data = sha256(encode("recant.memory-key.v1", [namespace, name]))[:16].hex()
    return "-".join([data[:8], data[8:12], data[12:16], data[16:20], data[20:]])


def encode_memory(memory):
    optional_number = lambda name: number(memory[name]) if name in memory else None
    return encode(
        "recant.memory.v1",
        [
            memory["namespace"],
            memory["id"],
            memory["layer"],
            memory["owner"],
            canonical(memory["content"]),
            memory.get("text"),
            memory.get("collection"),
            optional_number("importance"),
            optional_number("confidence"),
            memory.get("expiresAtBlock", "@" + memory["expiresAtTime"] if "expiresAtTime" in memory else None),
            unhex(memory["vectorHash"]) if "vectorHash" in memory else None,
        ],
    )


def leaf_hash(key, content_hash):
    return sha256(b"recant.state-leaf.v1\0" + unhex(key) + unhex(content_hash))


# The tree, the state root, and proofs.


def digit(key, depth):
    return unhex(key)[depth // 4] >> (6 - 2 * (depth % 4)) & 3


def node_hash(children):
    return sha256(b"recant.state-node.v1\0" + b"".join(children))


def tree(leaves, depth=0):
    if not leaves:
        return ZERO
    if len(leaves) == 1:
        return leaf_hash(leaves[0]["memoryKey"], leaves[0]["contentHash"])
    groups = [[], [], [], []]
    for leaf in leaves:
        groups[digit(leaf["memoryKey"], depth)].append(leaf)
    return node_hash([tree(group, depth + 1) for group in groups])


def state_root(place, roots):
    return sha256(
        b"recant.state-root.v1\0"
        + struct.pack(">QQ", place["chainId"], int(place["height"]))
        + unhex(place["blockHash"])
        + b"".join(unhex(roots[layer]) for layer in LAYERS)
    )


def root_of_path(key, path):
    terminal = path["terminal"]
    value = ZERO
    if terminal["type"] == "leaf":
        value = leaf_hash(terminal["memoryKey"], terminal["contentHash"])
    for depth in reversed(range(len(path["siblings"]))):
        children = [unhex(sibling) for sibling in path["siblings"][depth]]
        children.insert(digit(key, depth), value)
        value = node_hash(children)
    return to_hex(value)


def check_proof(proof):
    key = proof["memoryKey"]
    same("key of a proof", memory_key(proof["namespace"], proof["id"]), key)
    same("state root of a proof", to_hex(state_root(proof, proof["roots"])), proof["stateRoot"])
    for layer, path in proof["paths"].items():
        same("layer root of a proof", root_of_path(key, path), proof["roots"][layer])
    if proof["type"] == "inclusion":
        memory = proof["memory"]
        content_hash = to_hex(sha256(encode_memory(memory)))
        leaf = {"type": "leaf", "memoryKey": key, "contentHash": content_hash}
        same("layer of a proof", list(proof["paths"]), [memory["layer"]])
        same("subject of a proof", [memory["namespace"], memory["id"]], [proof["namespace"], proof["id"]])
        same("content hash of a proof", content_hash, proof["contentHash"])
        same("terminal of a proof", proof["paths"][memory["layer"]]["terminal"], leaf)
        return
    same("layers of a proof", sorted(proof["paths"]), sorted(LAYERS))
    for path in proof["paths"].values():
        if path["terminal"]["type"] == "leaf":
            other = path["terminal"]["memoryKey"]
            same("another key", other != key, True)
            for depth in range(len(path["siblings"])):
                same("digit on the way", digit(other, depth), digit(key, depth))


checked = 0


def same(what, made, given):
    global checked
    checked += 1
    if made != given:
        sys.exit(f"{what}: made {made}, the file says {given}")


def main():
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "state-tree.json")
    with open(sys.argv[1] if len(sys.argv) > 1 else beside, encoding="utf-8") as file:
        vectors = json.load(file)

    layers = {layer: [] for layer in LAYERS}
    for entry in vectors["memories"]:
        memory = entry["memory"]
        same("memory key", memory_key(memory["namespace"], memory["id"]), entry["memoryKey"])
        same("encoding", encode_memory(memory).hex(), entry["encoding"])
        same("content hash", to_hex(sha256(encode_memory(memory))), entry["contentHash"])
        same("leaf", to_hex(leaf_hash(entry["memoryKey"], entry["contentHash"])), entry["leaf"])
        layers[memory["layer"]].append(entry)

    for entry in vectors["trees"]:
        same(f"root of {entry['name']}", to_hex(tree(entry["leaves"])), entry["root"])
    roots = {entry["name"]: entry["root"] for entry in vectors["trees"]}
    for entry in vectors["paths"]:
        same("root of a path", root_of_path(entry["memoryKey"], entry), roots[entry["tree"]])

    state = vectors["state"]
    for layer in LAYERS:
        same(f"root of {layer}", to_hex(tree(layers[layer])), state["roots"][layer])
    same("state root", to_hex(state_root(state, state["roots"])), state["stateRoot"])
    for proof in vectors["proofs"]:
        same("state of a proof", proof["stateRoot"], state["stateRoot"])
        check_proof(proof)
    print(f"{checked} values of {len(vectors['memories'])} memories, {len(vectors['trees'])} trees and "
          f"{len(vectors['proofs'])} proofs reproduced")


main()
