"""malloc_count: what malloc_count.c, preloaded into a process, has counted; read while the process goes on."""

import collections
import mmap
import struct
from pathlib import Path

THREADS, SAMPLES, FRAMES = 512, 8192, 19  # of malloc_count.c
HEAD, SLOT, SAMPLE = (struct.Struct(f"={words}Q") for words in (3, 4, 1 + FRAMES))
SIZE = HEAD.size + THREADS * SLOT.size + SAMPLES * SAMPLE.size


def thread_names(pid):
    return {int(task.name): (task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}


class MallocCount:
    """The file that MALLOC_COUNT names."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), SIZE)

    def close(self):
        self.page.close()

    def allocations(self):
        """By the id of the thread."""
        found = collections.Counter()
        for number in range(min(HEAD.unpack_from(self.page)[1], THREADS)):
            thread, allocations, _, _ = SLOT.unpack_from(self.page, HEAD.size + number * SLOT.size)
            found[thread] += allocations
        return found

    def sample(self, every):
        """Forgets the samples that there are, and takes one of so many allocations of each thread from now on (0: none, and none is forgotten)."""
        struct.pack_into("=Q", self.page, 0, 0)
        if every:
            struct.pack_into("=3Q", self.page, 0, 0, HEAD.unpack_from(self.page)[1], 0)
            struct.pack_into("=Q", self.page, 0, every)

    def samples(self):
        """[(thread, [address])], innermost first."""
        start = HEAD.size + THREADS * SLOT.size
        taken = (SAMPLE.unpack_from(self.page, start + number * SAMPLE.size) for number in range(min(HEAD.unpack_from(self.page)[2], SAMPLES)))
        return [(thread, [frame for frame in frames if frame]) for thread, *frames in taken]
