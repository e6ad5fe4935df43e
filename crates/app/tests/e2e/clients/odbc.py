"""ODBC: pyodbc over PostgreSQL's own driver. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object."""

import datetime
import decimal
import glob
import json
import os
import sys

import pyodbc

VISITS = "select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id"
BIG = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256"

host, port, ca, user = sys.argv[1:]
parts = {
    # By its file, whatever this machine calls it.
    "DRIVER": glob.glob("/usr/lib/*/odbc/psqlodbcw.so")[0],
    "SERVER": host,
    "PORT": port,
    "DATABASE": "polder",
    "UID": user,
    "PWD": os.environ["PGPASSWORD"],
    "SSLmode": "verify-full",
    "pqopt": "{sslrootcert=" + ca + "}",
    # Rows are taken a thousand at a time, by a cursor of the server's.
    "UseDeclareFetch": "1",
    "Fetch": "1000",
    "BoolsAsChar": "0",
}


def connect(**more):
    return pyodbc.connect(";".join(f"{key}={value}" for key, value in {**parts, **more}.items()), autocommit=True)


def plain(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


told = {}
connection = connect()
told["server"] = connection.getinfo(pyodbc.SQL_DBMS_NAME)
told["user"] = connection.getinfo(pyodbc.SQL_USER_NAME)

cursor = connection.cursor()
told["tables"] = sorted([row.table_schem, row.table_name, row.table_type] for row in cursor.tables(schema="public") if row.table_name in ("samples", "visits"))
told["columns"] = [[row.column_name, row.type_name, row.nullable] for row in cursor.columns(table="visits", schema="public")]
told["key"] = [row.column_name for row in cursor.primaryKeys(table="visits", schema="public")]

cursor.execute(VISITS)
told["types"] = {column[0]: column[1].__name__ for column in cursor.description}
told["rows"] = [[plain(value) for value in row] for row in cursor.fetchall()]

moment = datetime.datetime(2026, 1, 2)
cursor.execute(
    "select id from visits where region = ? and amount >= ? and born < ? and seen >= ? and urgent = ? and weight < ? and id >= ?",
    "north",
    decimal.Decimal("0.02"),
    datetime.date(1986, 1, 1),
    moment,
    True,
    100.0,
    1,
)
told["parameters"] = [row[0] for row in cursor.fetchall()]
told["again"] = [cursor.execute("select count(*) from visits where id <= ?", most).fetchval() for most in (1, 3, 6, 100)]

counts = {"rows": 0, "bytes": 0, "left": 0, "right": 0}
for left, right, label in cursor.execute(BIG):
    counts["rows"] += 1
    counts["left"] += left
    counts["right"] += right
    counts["bytes"] += len(label)
told["stream"] = counts

try:
    cursor.execute("select * from nothing_here").fetchall()
    told["missing"] = None
except pyodbc.Error as error:
    told["missing"] = error.args[0]
told["afterwards"] = connection.cursor().execute("select 1").fetchval()
connection.close()

try:
    connect(PWD="wrong").close()
    told["wrong_password"] = None
except pyodbc.Error as error:
    told["wrong_password"] = error.args[0]

print(json.dumps(told))
