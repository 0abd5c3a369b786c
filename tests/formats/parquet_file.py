"""A Parquet file taken apart by the specification alone: Thrift's compact protocol, page headers, levels, both indexes. Nothing here decodes
values, which the foreign readers do; it tells what they do not show."""

import collections
import struct
import zlib

Page = collections.namedtuple("Page", "offset length header body")


class Compact:
    """Structures as dictionaries by field id; Thrift's compact protocol says how long everything is."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def integer(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def value(self, kind):
        if kind in (1, 2):
            return kind == 1
        if kind in (4, 5, 6):
            return self.integer()
        if kind == 8:
            length = self.varint()
            self.at += length
            return self.data[self.at - length:self.at]
        if kind == 9:
            return self.list()
        assert kind == 12, kind
        return self.struct()

    def list(self):
        head = self.byte()
        count = head >> 4 if head >> 4 < 15 else self.varint()
        kind = head & 15
        return [self.byte() == 1 if kind in (1, 2) else self.value(kind) for _ in range(count)]

    def struct(self):
        fields, last = {}, 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.integer()
            assert last not in fields
            fields[last] = self.value(head & 15)
        return fields


class ParquetFile:
    def __init__(self, path):
        self.data = path.read_bytes()
        assert self.data[:4] == self.data[-4:] == b"PAR1"
        length = struct.unpack("<I", self.data[-8:-4])[0]
        self.footer_at = len(self.data) - 8 - length
        reader = Compact(self.data, self.footer_at)
        self.footer = reader.struct()
        assert reader.at == len(self.data) - 8, "the footer is as long as it says"

    def chunks(self):
        """(row group, ColumnChunk) of the whole file."""
        return [(group, chunk) for group in self.footer[4] for chunk in group[1]]

    def pages(self, chunk):
        """All pages of a chunk, one behind the other: where the first begins, and as many bytes as the chunk has."""
        described = chunk[3]
        at = described.get(11, described[9])
        end = at + described[7]
        pages = []
        while at < end:
            reader = Compact(self.data, at)
            header = reader.struct()
            body = self.data[reader.at:reader.at + header[3]]
            pages.append(Page(at, reader.at + header[3] - at, header, body))
            at = reader.at + header[3]
        assert at == end
        return pages

    def offset_index(self, chunk):
        reader = Compact(self.data, chunk[4])
        index = reader.struct()
        assert reader.at == chunk[4] + chunk[5] <= self.footer_at
        return index

    def column_index(self, chunk):
        if 6 not in chunk:
            return None
        reader = Compact(self.data, chunk[6])
        index = reader.struct()
        assert reader.at == chunk[6] + chunk[7] <= self.footer_at
        return index


def check_sums(pages):
    """Every page has a CRC, and it is right."""
    for page in pages:
        assert page.header[4] & 0xFFFFFFFF == zlib.crc32(page.body)
