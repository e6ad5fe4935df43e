"""The peers' side of a load from a database: lineitem to Parquet with zstd. usage: databases.py duckdb|connectorx|dlt URL OUT"""

import sys

which, url, target = sys.argv[1:]
if which == "duckdb":
    import pathlib
    import tempfile

    import duckdb
    import duckdb_extension_postgres

    # The extension comes from the package index, as DuckDB itself does.
    folder = pathlib.Path(duckdb_extension_postgres.__path__[0])
    (packed,) = folder.rglob("*.duckdb_extension")
    # What it is called inside is not what the package calls it.
    extension = pathlib.Path(tempfile.mkdtemp()) / "postgres_scanner.duckdb_extension"
    extension.symlink_to(packed)
    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    connection.execute(f"load '{extension}'")
    connection.execute(f"attach '{url}?sslmode=disable' as source (type postgres, read_only)")
    connection.execute(f"copy source.public.lineitem to '{target}' (format parquet, compression zstd)")
elif which == "connectorx":
    import connectorx
    import pyarrow.parquet

    table = connectorx.read_sql(url, "select * from lineitem", return_type="arrow")
    pyarrow.parquet.write_table(table, target, compression="zstd")
else:
    import os

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"file://{target}"
    import dlt
    from dlt.sources.sql_database import sql_table

    driver = url.replace("postgres://", "postgresql+psycopg2://").replace("mysql://", "mysql+pymysql://")
    rows = sql_table(credentials=driver, table="lineitem", backend="pyarrow", chunk_size=100_000)
    pipeline = dlt.pipeline("bench", destination="filesystem", dataset_name="bench", pipelines_dir=f"{target}/state")
    pipeline.run(rows, loader_file_format="parquet", write_disposition="replace").raise_on_failed_jobs()
