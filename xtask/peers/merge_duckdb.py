"""DuckDB's side of the merges: a plain table without an index, in a database file.

usage: merge_duckdb.py WAY TABLE DIR

    base           makes DIR/base.duckdb of DIR/base.parquet
    copy           copies it to DIR/round.duckdb
    delete-insert  applies DIR/changes.parquet to DIR/round.duckdb
    merge-into     the same with the statement MERGE INTO
    check          compares with DIR/expected-merged.csv
"""

import os
import pathlib
import shutil
import sys

from merge_tables import KEYS, compare, question

way, table, folder = sys.argv[1:]
folder = pathlib.Path(folder)
base, round_file, changes = folder / "base.duckdb", folder / "round.duckdb", folder / "changes.parquet"

if way == "copy":
    shutil.copyfile(base, round_file)
    # What is still on its way to the disk would be waited for by the first commit.
    os.sync()
    sys.exit()

import duckdb

same = " and ".join(f"old.{key} = new.{key}" for key in KEYS[table])
db = duckdb.connect(str(base if way == "base" else round_file), read_only=way == "check")
if way == "base":
    db.execute(f"create table {table} as from read_parquet('{folder / 'base.parquet'}')")
elif way == "delete-insert":
    db.execute("begin")
    db.execute(f"create temp table new as from read_parquet('{changes}')")
    db.execute(f"delete from {table} as old using new where {same}")
    db.execute(f"insert into {table} from new where not gone")
    db.execute("commit")
elif way == "merge-into":
    db.execute(f"""
        merge into {table} as old using (from read_parquet('{changes}')) as new on {same}
        when matched and new.gone then delete
        when matched then update
        when not matched and not new.gone then insert""")
elif way == "check":
    db.execute("set timezone = 'UTC'")
    row = db.sql(question(table)).fetchone()
    compare("\n" + ",".join(map(str, row)), (folder / "expected-merged.csv").read_text())
if way != "check":
    db.execute("checkpoint")
db.close()
