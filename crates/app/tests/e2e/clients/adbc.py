"""Arrow Flight SQL through ADBC. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object."""

import datetime
import decimal
import json
import os
import sys

import pandas
import pyarrow
import pyarrow.compute
from adbc_driver_flightsql import DatabaseOptions, dbapi

VISITS = "select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id"
BIG = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256"
ENDLESS = "select a.label from samples a cross join samples b cross join samples c"


def plain(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def kind(of):
    """However texts are laid out, they are texts; so are zones that are one."""
    text = pyarrow.types.is_string(of) or pyarrow.types.is_large_string(of) or pyarrow.types.is_string_view(of)
    return "string" if text else str(of).replace("+00:00", "UTC")


def connect(password):
    options = {"username": user, "password": password, DatabaseOptions.TLS_ROOT_CERTS.value: authority}
    return dbapi.connect(f"grpc+tls://{host}:{port}", db_kwargs=options, autocommit=True)


host, port, ca, user = sys.argv[1:]
with open(ca) as file:
    authority = file.read()
told = {}
with connect(os.environ["PGPASSWORD"]) as connection:
    with connection.cursor() as cursor:
        cursor.execute(VISITS)
        table = cursor.fetch_arrow_table()
        told["types"] = {field.name: kind(field.type) for field in table.schema}
        told["rows"] = [[plain(value) for value in row.values()] for row in table.to_pylist()]

        # Parameters of every type, then the same statement prepared and asked again.
        asked = (
            "select id from visits where region = $1 and amount >= $2 and born < $3 and seen >= $4 and urgent = $5 and weight < $6 and id >= $7"
        )
        moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
        values = ("north", decimal.Decimal("0.02"), datetime.date(1986, 1, 1), moment, True, 100.0, 1)
        told["parameters"] = [row[0] for row in cursor.execute(asked, values).fetchall()]
        told["again"] = [cursor.execute("select count(*) from visits where id <= $1", (most,)).fetchone()[0] for most in (1, 3, 6, 100)]
        schema = cursor.adbc_prepare("select id, note from visits where region = $1")
        told["prepared"] = None if schema is None else len(schema)

        # A result that is larger than the server's memory, batch by batch.
        counts = {"rows": 0, "bytes": 0, "left": 0, "right": 0}
        for batch in cursor.execute(BIG).fetch_record_batch():
            counts["rows"] += batch.num_rows
            counts["left"] += pyarrow.compute.sum(batch.column("l")).as_py()
            counts["right"] += pyarrow.compute.sum(batch.column("r")).as_py()
            counts["bytes"] += pyarrow.compute.sum(pyarrow.compute.binary_length(batch.column("label").cast("string"))).as_py()
        told["stream"] = counts

    # What there is.
    told["table"] = [field.name for field in connection.adbc_get_table_schema("visits")]
    told["kinds"] = "TABLE" in [word.upper() for word in connection.adbc_get_table_types()]
    known = {}
    for catalog in connection.adbc_get_objects(depth="all").read_all().to_pylist():
        for schema in catalog["catalog_db_schemas"] or []:
            for table in schema["db_schema_tables"] or []:
                known[table["table_name"]] = [column["column_name"] for column in table["table_columns"] or []]
    told["objects"] = {name: known.get(name) for name in ("samples", "visits")}

    # pandas asks through ADBC by itself.
    frame = pandas.read_sql("select id, amount from visits order by id", connection)
    told["frame"] = [frame["id"].tolist(), [str(amount) for amount in frame["amount"]]]

    # Cancelled while its rows are coming.
    with connection.cursor() as cursor:
        reader = cursor.execute(ENDLESS).fetch_record_batch()
        reader.read_next_batch()
        cursor.adbc_cancel()
        try:
            for _ in reader:
                pass
            told["cancelled"] = False
        except Exception:
            told["cancelled"] = True
    with connection.cursor() as cursor:
        told["afterwards"] = cursor.execute("select count(*) from visits").fetchone()[0]
        try:
            cursor.execute("select * from nothing_here").fetchall()
            told["missing"] = None
        except dbapi.Error as error:
            told["missing"] = "nothing_here" in str(error)

try:
    with connect("wrong-in-any-case") as connection, connection.cursor() as cursor:
        cursor.execute("select 1").fetchall()
    told["wrong_password"] = None
except dbapi.Error as error:
    told["wrong_password"] = "nauthenticated" in str(error) or "UNAUTHENTICATED" in str(error)

print(json.dumps(told))
