#!/usr/bin/python3
"""pg_seeds.py FOLDER: what fuzz_pg_copy.c starts from: values of every built-in type, as PostgreSQL sent them (golden/postgres_types.txt)."""

import hashlib
import pathlib
import struct
import sys

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "postgres_types.txt"
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
VALUES = 6  # of each case
COMPOSITE = 200000
SIZE_MAX = 1000


def row(value):
    return struct.pack(">hi", 1, len(value)) + value


def messages(values):
    sent = [HEADER + row(values[0]), *(row(value) for value in values[1:]), b"\xff\xff"]
    return b"".join(struct.pack(">H", len(message)) + message for message in sent)


def composite():
    numerics = struct.pack(">iiiiiihhhhh", 1, 0, 1700, 1, 1, 10, 1, 0, 0, 0, 7)
    inner = struct.pack(">iiii", 1, 23, 4, 8)
    return struct.pack(">iiiiii1siI", 4, 23, 4, 7, 25, 1, b"x", 1231, len(numerics)) + numerics + struct.pack(">iI", COMPOSITE + 1, len(inner)) + inner


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    seeds, types, cases = [(COMPOSITE, [composite()])], {}, []
    for line in GOLDEN.read_text(encoding="utf-8").split("\n")[:-1]:
        fields = line.split("\t")
        if fields[0] == "T":
            types[fields[1]] = int(fields[2])
        elif fields[0] == "C":
            cases.append((types[fields[1]], []))
        elif fields[0] == "V" and fields[1] != "-" and len(fields[1]) < 2 * SIZE_MAX:
            cases[-1][1].append(bytes.fromhex(fields[1]))
    seeds += [(oid, values[:VALUES]) for oid, values in cases if oid < 16384 and values]
    for oid, values in seeds:
        for options in (0, 3, 3 | 3 << 2, 3 | 1 << 2 | 16, 64):
            seed = bytes([options]) + struct.pack(">I", oid) + messages(values)
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


if __name__ == "__main__":
    main()
