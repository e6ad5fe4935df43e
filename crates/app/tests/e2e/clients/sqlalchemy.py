"""SQLAlchemy and pandas. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object."""

import datetime
import decimal
import json
import os
import sys

import pandas
import sqlalchemy
from sqlalchemy import MetaData, Table, func, select

BIG = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256"

host, port, ca, user = sys.argv[1:]
url = sqlalchemy.URL.create(
    "postgresql+psycopg",
    username=user,
    password=os.environ["PGPASSWORD"],
    host=host,
    port=int(port),
    database="polder",
    query={"sslmode": "verify-full", "sslrootcert": ca, "channel_binding": "require"},
)
engine = sqlalchemy.create_engine(url)
told = {}

# Reflection.
inspector = sqlalchemy.inspect(engine)
told["schema"] = inspector.default_schema_name
told["tables"] = [name for name in sorted(inspector.get_table_names()) if name in ("samples", "visits")]
told["has"] = [inspector.has_table("visits"), inspector.has_table("nothing_here")]
told["columns"] = {column["name"]: [str(column["type"]), column["nullable"]] for column in inspector.get_columns("visits")}
told["key"] = inspector.get_pk_constraint("visits")["constrained_columns"]
told["foreign_keys"] = inspector.get_foreign_keys("visits")
told["views"] = "visits" in inspector.get_view_names()
metadata = MetaData()
metadata.reflect(bind=engine, only=["samples", "visits"])
told["reflected"] = sorted(metadata.tables)
visits = Table("visits", MetaData(), autoload_with=engine)

with engine.connect() as connection:
    # Core, with parameters that it writes itself.
    question = select(visits.c.id, visits.c.patient).where(visits.c.region == "north", visits.c.born < datetime.date(1980, 1, 1))
    told["select"] = [list(row) for row in connection.execute(question.order_by(visits.c.id))]
    of_amounts = select(visits.c.region, func.sum(visits.c.amount)).where(visits.c.amount < decimal.Decimal("1000"))
    told["sums"] = [[region, str(amount)] for region, amount in connection.execute(of_amounts.group_by(visits.c.region).order_by("region"))]
    told["like"] = connection.execute(select(visits.c.id).where(visits.c.note.like("%100\\%%"))).scalars().all()
    told["in"] = connection.execute(select(visits.c.id).where(visits.c.id.in_([2, 4, 9])).order_by(visits.c.id)).scalars().all()
    told["page"] = connection.execute(select(visits.c.id).order_by(visits.c.id).offset(2).limit(2)).scalars().all()

    # A result that is larger than the server's memory, by a cursor of the server's.
    counts = {"rows": 0, "bytes": 0, "left": 0, "right": 0}
    streamed = connection.execution_options(stream_results=True, max_row_buffer=5000).execute(sqlalchemy.text(BIG))
    for left, right, label in streamed:
        counts["rows"] += 1
        counts["left"] += left
        counts["right"] += right
        counts["bytes"] += len(label)
    told["stream"] = counts

with engine.connect() as connection:
    frame = pandas.read_sql(select(visits).order_by(visits.c.id), connection)
    told["frame"] = {name: kind.kind for name, kind in frame.dtypes.items()}
    told["ids"] = frame["id"].tolist()
    told["seen"] = [None if pandas.isna(moment) else moment.isoformat() for moment in frame["seen"]]
    told["nulls"] = {name: int(count) for name, count in frame.isna().sum().items()}
    told["weights"] = round(float(frame["weight"].drop(index=2).sum()), 6)
    asked = pandas.read_sql(sqlalchemy.text("select count(*) as n from visits where region = :region"), connection, params={"region": "south"})
    told["asked"] = asked["n"].tolist()
    chunks = pandas.read_sql(sqlalchemy.text(BIG), connection.execution_options(stream_results=True), chunksize=20000)
    sizes = [(len(chunk), int(chunk["l"].sum()), int(chunk["label"].str.len().sum())) for chunk in chunks]
    told["chunks"] = {"rows": sum(s[0] for s in sizes), "left": sum(s[1] for s in sizes), "bytes": sum(s[2] for s in sizes)}
    told["chunked"] = len(sizes)

print(json.dumps(told))
