"""Makes a table, 1% of changes to it, and what the table is afterwards; the same bytes each time.

usage: merge_data.py ROWS readings DIR
       merge_data.py ROWS scattered DIR
       merge_data.py LINEITEM_PARQUET lineitem DIR

Writes base.parquet and changes.parquet into DIR, and what a question gives of the table before and after, expected-base.csv and
expected-merged.csv. Of each hundred rows of the base one is drawn, so that the changes lie all over the table; of ten drawn rows seven are
updated, two are patterns of rows whose keys are new, and one is deleted, which the column `gone` says. The changes come in no order of
their keys. What is expected is computed without a merge. `readings` lie in the order of their keys, small numbers, as where a database counts;
those of `scattered` are of 62 bits and in no order, as where they are drawn.
"""

import pathlib
import sys

import duckdb

from merge_tables import KEYS, question

what, table, folder = sys.argv[1:]
base, changes = (pathlib.Path(folder) / f"{name}.parquet" for name in ("base", "changes"))
db = duckdb.connect()
db.execute("set timezone = 'UTC'")


def write(query, path):
    db.execute(f"copy ({query}) to '{path}' (format parquet, compression zstd)")


def kind(number):
    return f"({number} % 10)"


def reading(gone, source):
    """Rows of the table from `number` and `h`, which is random."""
    # Of so few numbers no two have the same of 62 bits; who loads the table would say so.
    key = "number" if table == "readings" else "(hash(number, 17) % 4611686018427387904)::bigint"
    return f"""
        select {key} as id, to_timestamp(1600000000 + number + h % 60) as taken_at, 'ward ' || (h >> 8) % 40 as ward,
            ['planned', 'admitted', 'moved', 'discharged'][1 + ((h >> 16) % 4)::int] as status,
            (((h >> 20) % 10000000)::bigint / 100.0)::decimal(15, 2) as amount, ((h >> 24) % 1000)::int as units,
            ((h >> 28) % 1000000)::bigint / 8.0::double as weight, {gone} as gone
        from ({source})"""


if table != "lineitem":
    rows = int(what)
    # Keys are even numbers from 2, so that there are new ones everywhere between them.
    write(reading("false", f"select 2 * (range + 1) as number, hash(range, 7) as h from range({rows})"), base)
    drawn = f"""
        select 2 * (100 * range + hash(range, 11) % 100 + 1)::bigint - ({kind('range')} in (7, 8))::bigint as number,
            hash(range, 13) as h, {kind('range')} = 9 as deleted
        from range({rows // 100})"""
    write(reading("deleted", drawn) + " order by h", changes)
else:
    write(f"select *, false as gone from read_parquet('{what}')", base)
    # Of 32 order keys TPC-H uses the first eight: 16 further there is no order.
    drawn = f"""
        select * replace (
            case when {kind('hundred')} in (7, 8) then l_orderkey + 16 else l_orderkey end as l_orderkey,
            (51 - l_quantity)::decimal(15, 2) as l_quantity,
            'corrected: ' || left(l_comment, 30) as l_comment,
            {kind('hundred')} = 9 as gone)
        from (select *, file_row_number // 100 as hundred from read_parquet('{base}', file_row_number = true))
        where file_row_number % 100 = hash(hundred, 11) % 100"""
    write(f"select * exclude (file_row_number, hundred) from ({drawn}) order by hash(l_orderkey, l_linenumber)", changes)

after = f"""
    (select base.* from read_parquet('{base}') as base anti join read_parquet('{changes}') as changes using ({', '.join(KEYS[table])})
    union all by name select * from read_parquet('{changes}') where not gone)"""
for name, source in (("base", f"read_parquet('{base}')"), ("merged", after)):
    row = db.sql(question(table, source)).fetchone()
    lines = [",".join(f"c{place}" for place in range(len(row))), ",".join(map(str, row))]
    (pathlib.Path(folder) / f"expected-{name}.csv").write_text("\n".join(lines) + "\n")
