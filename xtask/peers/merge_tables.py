"""The tables of the merges: their keys, and the question whose one row of answers tells that a merge did what it should.

The question is read by DuckDB and by DataFusion alike. Each sum is exact, whatever its order: of whole numbers, of decimals, and of doubles
that are multiples of an eighth.
"""

import csv
from decimal import Decimal

KEYS = {"readings": ["id"], "scattered": ["id"], "lineitem": ["l_orderkey", "l_linenumber"]}

QUESTIONS = {
    "readings": """
        select count(*), sum(id), sum(id % 1009 * units), sum(amount), sum(weight), sum(character_length(ward)),
            sum(case when status = 'moved' then id else 0 end), sum(case when ward = 'ward 7' then units else 0 end),
            sum(cast(date_part('epoch', taken_at) as bigint) - 1600000000), sum(case when gone then 1 else 0 end)
        from {table}""",
    "lineitem": """
        select count(*), sum(l_orderkey), sum(l_orderkey % 1009 * l_linenumber), sum(l_partkey), sum(l_quantity),
            sum(l_extendedprice), sum(l_discount), sum(l_tax), sum(case when l_returnflag = 'R' then l_orderkey else 0 end),
            sum(case when l_linestatus = 'F' then l_partkey else 0 end), sum(case when l_shipmode = 'RAIL' then l_suppkey else 0 end),
            sum(cast(date_part('day', l_shipdate) as bigint) * l_linenumber), sum(cast(date_part('month', l_commitdate) as bigint)),
            sum(cast(date_part('year', l_receiptdate) as bigint)), sum(character_length(l_shipinstruct)),
            sum(character_length(l_comment)), sum(case when gone then 1 else 0 end)
        from {table}""",
}
# So that the sums stay below 64 bits.
QUESTIONS["scattered"] = QUESTIONS["readings"].replace("sum(id)", "sum(id % 1000003)").replace("then id else", "then id % 1000003 else")


def question(table, source=None):
    return " ".join(QUESTIONS[table].format(table=source or table).split())


def answer(text):
    """The row of numbers behind a header."""
    rows = list(csv.reader(text.splitlines()))[1:]
    if len(rows) != 1:
        raise SystemExit(f"{len(rows)} rows were answered, one was expected")
    return [Decimal(cell) for cell in rows[0]]


def compare(text, expected):
    """Ends with what is not as expected."""
    have, want = answer(text), answer(expected)
    wrong = [f"column {place + 1} is {h}, {w} was expected" for place, (h, w) in enumerate(zip(have, want)) if h != w]
    if len(have) != len(want) or wrong:
        raise SystemExit("; ".join(wrong) or f"{len(have)} columns were answered, {len(want)} were expected")
    print("as expected")
