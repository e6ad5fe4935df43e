"""DataFusion's side of the queries: all of them on plain Parquet in one process, answers as CSV.

usage: datafusion_tpch.py PARQUET_DIR QUERIES_DIR ANSWERS_DIR
"""

import pathlib
import sys

import datafusion
import pyarrow as pa
import pyarrow.csv

parquet, queries, answers = map(pathlib.Path, sys.argv[1:])
answers.mkdir(parents=True, exist_ok=True)
session = datafusion.SessionContext()
for file in sorted(parquet.glob("*.parquet")):
    session.register_parquet(file.stem, str(file))
for file in sorted(queries.glob("q*.sql")):
    batches = session.sql(file.read_text().rstrip().rstrip(";")).collect()
    table = pa.Table.from_batches(batches)
    # CSV has no view types.
    plain = [column.cast(pa.string()) if pa.types.is_string_view(column.type) else column for column in table.columns]
    pyarrow.csv.write_csv(pa.table(plain, names=table.column_names), answers / f"{file.stem}.csv")
