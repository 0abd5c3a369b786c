"""Power cut under `penstock import`: what its log says is done is there afterwards, and the import goes on with it. The control runs with fsync and fdatasync made
void, and has to lose."""

import contextlib
import json
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "importers"), str(HERE.parent / "parts")]

from importing import BINARY, HELD, HOLD, Import, Imported, wait_until  # noqa: E402
from postgres import QUIET, Postgres, Session  # noqa: E402
from siege import cut_power, rounds  # noqa: E402

SIZES = {"ext4": 64 << 20, "xfs": 320 << 20}
PARTS, ROWS = 8, 800
# The rows of the last partitions wait for whoever has the lock.
SLOWLY = f"(SELECT true FROM pg_sleep(0.001 + id * 0)) AND (tableoid < 'public.part5'::regclass OR {HELD})"


@pytest.fixture(scope="module")
def server():
    made = Postgres(QUIET).start()
    made.run("CREATE TABLE parts (id int, v text) PARTITION BY HASH (id);"
             + "".join(f"CREATE TABLE part{n} PARTITION OF parts FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {n});" for n in range(PARTS))
             + f"INSERT INTO parts SELECT i, md5(i::text) FROM generate_series(0, {ROWS - 1}) i; ANALYZE parts")
    yield made
    made.close()


def done(disk):
    """The log's lines of splits."""
    lines = []
    for path in disk.point.glob(".made*.import-*/.log"):
        lines += [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1] if line.startswith(b"{")]
    return [line["split"] for line in lines if "split" in line]


def cut(server, tools, disk, words, **more):
    """An import whose power is cut; the splits that its log had before and after."""
    with contextlib.closing(Session(server)) as holder:
        holder.say(HOLD)
        one = Import(server.conninfo(), *words, cwd=disk.point, **more)
        wait_until("some splits are done", lambda: len(done(disk)) >= 3)
        before = done(disk)
        cut_power(tools, disk, one.process)
        one.kill()
    disk.unmount()
    disk.mount()
    return before, done(disk)


def words_of(disk, name):
    return ("--target", disk.point / name, "--format", "jsonl", "--connections", 1, "--where", SLOWLY, "parts")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_loses_no_split_that_is_done(server, mount, tools, kind):
    disk = mount(kind, SIZES[kind])
    for number in range(rounds(3)):
        words = words_of(disk, f"made{number}")
        before, after = cut(server, tools, disk, words)
        # The last line may have been seen before it was durable; the one before it was, or there were none behind it.
        assert len(after) >= len(before) - 1 and after[:len(before)] == before[:len(after)]
        one = Import(server.conninfo(), "--resume", *words, cwd="/")
        assert one.end() == 0, one.said
        assert f"{len(after)} splits with" in one.said, one.said
        made = Imported(disk.point / f"made{number}")
        rows = sorted(json.loads(line)["id"] for path in made.files() for line in pathlib.Path(path).read_text().splitlines())
        assert rows == list(range(ROWS)) and made.manifest["snapshot"]["consistent"]


def test_control_without_sync_loses(server, mount, tools):
    if "libasan" in subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout:
        pytest.skip("the sanitizer has to be the first library")
    disk = mount("ext4", SIZES["ext4"])
    before, after = cut(server, tools, disk, (*words_of(disk, "made"), "--keep-snapshot", 0), environment={"LD_PRELOAD": str(tools / "nosync.so")})
    assert len(after) < len(before) - 1, "the control lost nothing: the power-cut test is void"
