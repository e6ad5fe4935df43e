"""psycopg 3. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object."""

import datetime
import decimal
import json
import os
import sys

import psycopg

VISITS = "select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id"
BIG = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256"
ENDLESS = "select a.label from samples a cross join samples b cross join samples c"
COUNTS = {"rows": 0, "bytes": 0, "left": 0, "right": 0}


def plain(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def plains(rows):
    return [[plain(value) for value in row] for row in rows]


def counted(counts, rows):
    for left, right, label in rows:
        counts["rows"] += 1
        counts["left"] += left
        counts["right"] += right
        counts["bytes"] += len(label)


def refused(connection, statement):
    """The SQLSTATE of a statement that fails."""
    try:
        connection.execute(statement).fetchall()
    except psycopg.Error as error:
        return error.sqlstate
    return None


host, port, ca, user = sys.argv[1:]
where = {"host": host, "port": port, "dbname": "polder", "user": user, "sslmode": "verify-full", "sslrootcert": ca}
told = {}

with psycopg.connect(**where, channel_binding="require", autocommit=True) as connection:
    told["tls"] = connection.pgconn.ssl_in_use
    told["user"] = connection.execute("select current_user").fetchone()[0]
    told["database"] = connection.execute("select current_database()").fetchone()[0]
    told["version"] = connection.info.server_version >= 130000

    # Text and binary formats of every type.
    text = connection.execute(VISITS)
    told["types"] = {column.name: connection.adapters.types[column.type_code].name for column in text.description}
    told["rows"] = plains(text.fetchall())
    binary = connection.cursor(binary=True).execute(VISITS)
    told["binary"] = plains(binary.fetchall()) == told["rows"]

    # Parameters of every type, in both formats.
    moment = datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    values = ("north", decimal.Decimal("0.02"), datetime.date(1986, 1, 1), moment, True, 100.0, 1)
    for word, mark in (("parameters", "%s"), ("binary_parameters", "%b")):
        asked = (
            f"select id from visits where region = {mark} and amount >= {mark} and born < {mark} and seen >= {mark} "
            f"and urgent = {mark} and weight < {mark} and id >= {mark}"
        )
        told[word] = [row[0] for row in connection.execute(asked, values)]
    told["null"] = connection.execute("select %s::text is null, %s::bigint", (None, 7)).fetchone() == (True, 7)

    # A prepared statement, again and again.
    told["prepared"] = [
        connection.execute("select count(*) from visits where id <= %s", (most,), prepare=True).fetchone()[0] for most in (1, 3, 6, 100)
    ]

    # A cursor of the server's, and all of a result that is larger than its memory.
    with connection.transaction(), connection.cursor(name="large") as cursor:
        cursor.itersize = 5000
        counts = dict(COUNTS)
        counted(counts, cursor.execute(BIG))
        told["cursor"] = counts
    counts = dict(COUNTS)
    counted(counts, connection.cursor(binary=True).stream(BIG))
    told["stream"] = counts

    # COPY, whole and of a question.
    with connection.cursor().copy("copy (select id, note from visits order by id) to stdout") as copy:
        told["copy"] = [list(row) for row in copy.rows()]
    with connection.cursor().copy("copy visits (id, region) to stdout (format csv, header)") as copy:
        told["copy_csv"] = sorted(b"".join(copy).decode().splitlines())

    # Several questions on the way at once.
    with connection.pipeline():
        cursors = [connection.execute("select count(*) from visits where id > %s", (least,)) for least in (0, 2, 4)]
    told["pipeline"] = [cursor.fetchone()[0] for cursor in cursors]

    # Cancelled while its rows are coming.
    told["cancelled"] = None
    try:
        with connection.cursor().copy(f"copy ({ENDLESS}) to stdout") as copy:
            copy.read()
            connection.cancel_safe()
            for _ in copy:
                pass
    except psycopg.Error as error:
        told["cancelled"] = error.sqlstate
    told["afterwards"] = connection.execute("select 1").fetchone()[0]

    # What fails, and what follows in its transaction.
    told["syntax"] = refused(connection, "selec 1")
    told["missing"] = refused(connection, "select * from nothing_here")
    told["written"] = refused(connection, "delete from visits")
    connection.autocommit = False
    told["in_transaction"] = [refused(connection, "select * from nothing_here"), refused(connection, "select 1")]
    connection.rollback()
    told["rolled_back"] = connection.execute("select 1").fetchone()[0]
    connection.rollback()

with psycopg.connect(**where, channel_binding="disable") as connection:
    told["without_binding"] = connection.execute("select count(*) from visits").fetchone()[0]

os.environ["PGPASSWORD"] += "x"
try:
    psycopg.connect(**where).close()
    told["wrong_password"] = None
except psycopg.OperationalError as error:
    told["wrong_password"] = str(error)

print(json.dumps(told))
