"""Writes TPC-H's 22 queries and the answers to compare with.

usage: tpch_texts.py SCALE PARQUET_DIR QUERIES_DIR ANSWERS_DIR

Queries and published answers come from DuckDB's tpch extension, which has answers for some scale factors. Its generator makes other
free text than TPC's own and tpchgen-cli, so the five answers that depend on free text, and all answers at other scale factors, are
computed by DuckDB from the very files that the contenders read.
"""

import pathlib
import sys

import duckdb
import duckdb_extension_tpch

FREE_TEXT = {2, 10, 13, 15, 20}

scale, parquet, queries, answers = sys.argv[1:]
parquet, queries, answers = map(pathlib.Path, (parquet, queries, answers))
extension = next(pathlib.Path(duckdb_extension_tpch.__file__).parent.rglob("tpch.duckdb_extension"))
db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
db.load_extension(str(extension))
for file in sorted(parquet.glob("*.parquet")):
    db.execute(f"create view {file.stem} as from read_parquet('{file}')")
queries.mkdir(parents=True, exist_ok=True)
answers.mkdir(parents=True, exist_ok=True)
published = dict(db.execute("select query_nr, answer from tpch_answers() where scale_factor = ?", [float(scale)]).fetchall())
computed = 0
for number, text in db.execute("select query_nr, query from tpch_queries()").fetchall():
    (queries / f"q{number:02}.sql").write_text(text)
    target = answers / f"q{number:02}.csv"
    if number in published and number not in FREE_TEXT:
        target.write_text(published[number])
    else:
        db.execute(f"copy ({text.rstrip().rstrip(';')}) to '{target}' (format csv, header, delimiter '|')")
        computed += 1
print(f"answers at scale factor {scale}: {22 - computed} published, {computed} computed by DuckDB")
