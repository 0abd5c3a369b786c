"""Files of tables in a lake, read by foreign readers: rows as dicts of plain values, times as whole microseconds."""

import csv
import datetime
import gzip
import io
import json
import pathlib
import sys

import readers
from penstock import LAKE_FILE

sys.path.insert(0, str(readers.folder()))

import duckdb  # noqa: E402
import fastavro  # noqa: E402
import pyarrow.parquet  # noqa: E402
import zstandard  # noqa: E402

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)


def micros(value):
    """A datetime, or a text of RFC 3339."""
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return (value - EPOCH) // MICROSECOND


def plain(row):
    return {name: micros(value) if isinstance(value, datetime.datetime) else value for name, value in row.items()}


def by_pyarrow(path):
    return [plain(row) for row in pyarrow.parquet.read_table(path).to_pylist()]


def by_duckdb(path):
    """Its times are without zone here, so that no time zone of a machine has a say."""
    with duckdb.connect() as connection:
        relation = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in relation.description]
        times = [name for name, column in zip(names, relation.description) if "TIMESTAMP" in str(column[1]).upper()]
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        chosen = ", ".join(f"epoch_us({text})" if name in times else text for name, text in zip(names, quoted))
        return [dict(zip(names, row)) for row in connection.execute(f"SELECT {chosen} FROM read_parquet(?)", [str(path)]).fetchall()]


def by_fastavro(path):
    with open(path, "rb") as file:
        return [plain(row) for row in fastavro.reader(file)]


def csv_text(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    return data.decode()


def by_csv(path):
    """All values are texts; an empty field is None."""
    return [{name: value or None for name, value in row.items()} for row in csv.DictReader(io.StringIO(csv_text(path), newline=""))]


READERS = {"parquet": (by_pyarrow, by_duckdb), "avro": (by_fastavro,), "csv": (by_csv,)}


def files(root):
    """In the order of their positions."""
    root = pathlib.Path(root)
    found = []
    for path in root.rglob("*") if root.exists() else []:
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
            assert LAKE_FILE.match(path.name), path
            found.append(path)
    return sorted(found, key=lambda path: (str(path.parent), int(LAKE_FILE.match(path.name)["first"])))


def rows(root, reader=0):
    """Of all files in the order of their positions."""
    return [row for path in files(root) for row in READERS[LAKE_FILE.match(path.name)["extension"].split(".")[0]][reader](path)]


def rest(row):
    return row["_rest"] and json.loads(row["_rest"])
