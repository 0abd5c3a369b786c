"""What the decoders of PostgreSQL's types are tested against is what a live server says."""

import io
import pathlib
import sys

import pytest

import postgres

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
sys.path.append(str(GOLDEN))


def test_golden_types_are_the_servers_own():
    import make_postgres_types

    if postgres.installed().parts[-2] != "15":
        pytest.skip("the file was made by PostgreSQL 15; others number their types otherwise")
    server = postgres.Postgres(postgres.QUIET).start()
    try:
        made = io.StringIO()
        make_postgres_types.write(server, made)
    finally:
        server.close()
    said = made.getvalue().split("\n")
    kept = (GOLDEN / "postgres_types.txt").read_text(encoding="utf-8").split("\n")
    different = [f"{number}: {a[:300]} instead of {b[:300]}" for number, (a, b) in enumerate(zip(said, kept), 1) if a != b]
    assert not different, "\n".join(different[:10])
    assert len(said) == len(kept)
