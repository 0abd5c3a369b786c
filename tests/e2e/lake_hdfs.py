"""Lakes in HDFS, as tests read them."""

import penstock
from hdfs import Refused
from penstock import wait_until


class Lake:
    """A directory of an HDFS, and gateways that write to it."""

    def __init__(self, root, hdfs, make, folder):
        self.root, self.hdfs, self.make, self.folder = root, hdfs, make, folder
        self.copies = 0

    def gateway(self, *sets, **more):
        return self.make(f"lake.url={self.hdfs.url(self.root)}", "lake.roll.every=200ms", *sets, **more)

    def copy(self):
        self.copies += 1
        return self.hdfs.fetch(self.root, self.folder / f"copy-{self.copies}")

    def rows(self, folder=None):
        return penstock.lake_rows(self.copy(), folder)

    def _count(self):
        try:
            return len(self.rows())
        except (OSError, Refused):
            return 0  # a node is not back yet

    def wait(self, sent, seconds=120):
        """Until so many rows are there; then they are these, once each."""
        wait_until(f"{len(sent)} rows", lambda: self._count() >= len(sent), seconds)
        assert sorted(self.rows()) == sorted(sent)


def complaint(gateway):
    """What /readyz says of the lake; None: nothing."""
    _, state = gateway.ready()
    return next((condition["text"] for condition in state["conditions"] if condition["name"] == "lake"), None)


def wait_complaint(gateway, *words, seconds=120):
    def told():
        text = complaint(gateway)
        return text if text and all(word in text for word in words) else None

    return wait_until(f"/readyz to say {words}", told, seconds)
