#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make_corpus.py [DIRECTORY]: the fuzzer's first inputs, one file each, made from ptirq.proto.

Every request, reply and event once empty and once with every field set, and the shapes of T9, T10
and T23. Run it again when the proto grows; the files are kept in the repository.
"""
import os
import subprocess
import sys
import tempfile

from google.protobuf.descriptor import FieldDescriptor as F

HERE = os.path.dirname(os.path.abspath(__file__))
PROTO = os.path.join(HERE, "..", "..", "proto")


def generated():
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={out}", "ptirq.proto"],
                       check=True)
        sys.path.insert(0, out)
        import ptirq_pb2
        return ptirq_pb2


VALUES = {
    F.TYPE_STRING: "n\u00e9-0", F.TYPE_BOOL: True, F.TYPE_UINT32: 0xffffffff,
    F.TYPE_UINT64: 0xffffffffffffffff,
}


def fill(message):
    """Every field but those of a oneof, two of each repeated one."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof:
            continue
        repeated = field.label == F.LABEL_REPEATED
        if field.type == F.TYPE_MESSAGE:
            for _ in range(2 if repeated else 1):
                inner = getattr(message, field.name)
                fill(inner.add() if repeated else inner)
        else:
            value = 1 if field.type == F.TYPE_ENUM else VALUES[field.type]
            if repeated:
                getattr(message, field.name).extend([value, value])
            else:
                setattr(message, field.name, value)


def each(make, inner_of, oneof):
    """(name, bytes) of each member of a oneof, empty and filled in."""
    for field in inner_of(make()).DESCRIPTOR.oneofs_by_name[oneof].fields:
        for filled in (False, True):
            message = make()
            member = getattr(inner_of(message), field.name)
            member.SetInParent()
            if filled:
                fill(inner_of(message))
                fill(member)
            yield f"{oneof}-{field.name}-{'full' if filled else 'empty'}", message.SerializeToString()


def hostile():
    nested = b""
    while len(nested) < 120:
        nested = b"\x12" + varint(len(nested)) + nested
    rows = b"\x0a\x00" * 2030
    stats = b"\x3a" + varint(len(rows)) + rows
    yield "nested", nested
    yield "amplified", b"\x0a" + varint(len(stats)) + stats
    yield "unknown-fields", b"\x3a\x00" + b"\x78\x00" * 2000
    yield "zero-in-name", b"\x22\x06\x0a\x04a\x00bc"
    yield "overlong", b"\x22\x04\x0a\x02\xc0\x80"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def main():
    pb = generated()
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    os.makedirs(where, exist_ok=True)
    seeds = [
        *each(pb.Request, lambda m: m, "request"),
        *each(pb.FromBroker, lambda m: m.reply, "body"),
        *each(pb.FromBroker, lambda m: m.event, "event"),
        *hostile(),
    ]
    for name, data in seeds:
        with open(os.path.join(where, name), "wb") as f:
            f.write(data)
    print(f"{len(seeds)} inputs in {where}")


if __name__ == "__main__":
    main()
