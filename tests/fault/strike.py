"""What strike.c does in a running gateway, and what it has counted there, over all its starts."""

import mmap
import struct

CALLS = ("writes", "syncs", "renames", "unlinks", "truncations")
WORDS = (*CALLS, "kill_call", "kill_number", "every", "interrupted", "cut_short", "allocations", "fail_number", "failed", "shift")


class Strike:
    """Its words are attributes: who reads or writes them does so in the gateway that has this environment."""

    def __init__(self, tools, folder):
        path = folder / "strike"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with open(path, "r+b") as file:
            self.__dict__["page"] = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.__dict__["environment"] = {"LD_PRELOAD": str(tools / "strike.so"), "STRIKE": str(path)}

    def __getattr__(self, word):
        if word not in WORDS:
            raise AttributeError(word)
        return struct.unpack_from("=q", self.page, 8 * WORDS.index(word))[0]

    def __setattr__(self, word, value):
        struct.pack_into("=q", self.page, 8 * WORDS.index(word), value)

    def kill_at(self, call, number):
        """The nth call of this kind from now on is the last thing that happens; 0: none is."""
        self.kill_number = 0
        self.kill_call = CALLS.index(call)
        self.kill_number = number
        setattr(self, call, 0)  # last: the gateway goes on meanwhile, and must not have passed the number unseen

    def fail_allocation(self, number):
        """The nth from now on; 0: none fails."""
        self.fail_number = self.failed = 0
        self.fail_number = number
        self.allocations = 0
