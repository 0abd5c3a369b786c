"""Restarts in a row, and a second process on the same data."""

import json
import signal

import pytest

from penstock import Gateway, lake_rows, wait_until
from siege import rounds

RESTARTS = rounds(200)
RESERVE = 3  # files that the journal makes in advance


def grow(before, after):
    """How many files and bytes more."""
    return len(after) - len(before), sum(after.values()) - sum(before.values())


def prepared(files):
    """Whether the preparer has nothing more to do."""
    return sum(not name.endswith(".segment") for name in files) >= RESERVE and not any(name.endswith(".new") for name in files)


@pytest.mark.parametrize("ending", ["kill -9", "SIGTERM"])
def test_restarts_leave_no_more_segments_than_one(gateway, ending):
    """With the lake out of reach, so that a record waits all the while."""
    one = gateway("journal.segment_size=1MiB", "journal.max_size=16MiB", "mqtt.max_packet=256KiB",
                  "http.max_body=256KiB", "http.max_record=256KiB",
                  "gateway.grace=0", "lake.url=blocked/lake")
    one.directory.joinpath("blocked").write_text("a file where a directory should be")

    def once(record=None):
        one.start()
        if record:
            one.send(record)
        wait_until("the preparer's reserve", lambda: prepared(one.journal_files()))
        return one.kill() if ending == "kill -9" else one.stop(signal.SIGTERM)

    once({"sensor_id": 1, "waiting": True})
    once()
    before = one.journal_files()
    for _ in range(RESTARTS // 2):
        once()
    files, size = grow(before, one.journal_files())
    assert files <= 1 and size <= 1 << 20, one.journal_files()
    one.directory.joinpath("blocked").unlink()
    one.start()
    wait_until("delivery", lambda: one.metric("penstock_outlet_lag_records") == 0)
    one.stop_cleanly()
    assert [json.loads(row) for row in lake_rows(one.directory / "blocked" / "lake")] == [{"sensor_id": 1, "waiting": True}]


def test_second_process_leaves_the_first_alone(gateway, tmp_path):
    one = gateway("lake.roll.every=200ms").start()
    first = one.send({"sensor_id": 1})
    files = one.journal_files()
    second = Gateway(tmp_path / "gateway")
    second.starts = 100  # an output file of its own
    second.spawn()
    assert second.ended() == 1
    assert "another penstock is running" in second.said(), second.said()
    assert str(one.data.name) in second.said()
    assert set(one.journal_files()) == set(files)
    last = one.send({"sensor_id": 2})
    one.stop_cleanly()
    assert lake_rows(one.lake) == [first, last]
