"""Prints the rows of versions of a Delta table as DuckDB's `delta` extension sees them, which is built on Delta's own kernel."""

import pathlib
import sys

import duckdb
import duckdb_extension_delta

table, versions = sys.argv[1], sys.argv[2:]
folder = pathlib.Path(duckdb_extension_delta.__path__[0])
(extension,) = folder.rglob("delta.duckdb_extension")
connection = duckdb.connect(config={"allow_unsigned_extensions": True})
connection.execute(f"load '{extension}'")
for version in versions:
    print(f"version {version}")
    rows = connection.execute(
        "select id, coalesce(carrier, ''), cast(fare as varchar), cast(day as varchar)"
        f" from delta_scan('file://{table}', version = {version}) order by id"
    )
    for row in rows.fetchall():
        print("|".join(str(value) for value in row))
