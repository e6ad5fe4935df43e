"""asyncpg. Arguments: HOST PORT CA USER; the password in PGPASSWORD. Prints one JSON object."""

import asyncio
import datetime
import decimal
import json
import os
import ssl
import sys

import asyncpg

VISITS = "select id, patient, region, born, amount, seen, urgent, weight, note from visits order by id"
BIG = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256"
ENDLESS = "select a.label from samples a cross join samples b cross join samples c"


def plain(value):
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


async def main():
    host, port, ca, user = sys.argv[1:]
    where = {
        "host": host,
        "port": int(port),
        "database": "polder",
        "user": user,
        "password": os.environ["PGPASSWORD"],
        "ssl": ssl.create_default_context(cafile=ca),
    }
    told = {}
    connection = await asyncpg.connect(**where)
    told["version"] = connection.get_server_version().major >= 13

    # A prepared statement with its types, and rows: asyncpg takes binary formats alone.
    prepared = await connection.prepare(VISITS)
    told["types"] = {attribute.name: attribute.type.name for attribute in prepared.get_attributes()}
    told["rows"] = [[plain(value) for value in row] for row in await prepared.fetch()]

    # Parameters, whose types the server works out.
    asked = await connection.prepare(
        "select id from visits where region = $1 and amount >= $2 and born < $3 and seen >= $4 and urgent = $5 and weight < $6 and id >= $7"
    )
    told["parameter_types"] = [parameter.name for parameter in asked.get_parameters()]
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
    values = ("north", decimal.Decimal("0.02"), datetime.date(1986, 1, 1), moment, True, 100.0, 1)
    told["parameters"] = [row["id"] for row in await asked.fetch(*values)]
    told["again"] = [await connection.fetchval("select count(*) from visits where id <= $1", most) for most in (1, 3, 6, 100)]
    told["null"] = await connection.fetchval("select $1::text is null", None)

    # A cursor: a portal from which rows are taken so many at a time.
    counts = {"rows": 0, "bytes": 0, "left": 0, "right": 0}
    async with connection.transaction():
        async for left, right, label in connection.cursor(BIG, prefetch=5000):
            counts["rows"] += 1
            counts["left"] += left
            counts["right"] += right
            counts["bytes"] += len(label)
    told["cursor"] = counts

    copied = bytearray()
    said = await connection.copy_from_query("select id, region from visits where id <= $1 order by id", 3, output=copied_to(copied))
    told["copy"] = [said, copied.decode()]

    # What it asks of the catalog before it takes a codec, with the names and types of that.
    await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=str, format="text")
    told["codec"] = await connection.fetchval("select amount from visits where id = 1")
    await connection.reset_type_codec("numeric", schema="pg_catalog")

    # Cancelled while its rows are coming.
    begun = asyncio.Event()

    async def begins(_):
        begun.set()

    copying = asyncio.create_task(connection.copy_from_query(ENDLESS, output=begins))
    await begun.wait()
    copying.cancel()
    try:
        await copying
        told["cancelled"] = False
    except asyncio.CancelledError:
        told["cancelled"] = True
    told["afterwards"] = await connection.fetchval("select 1")

    try:
        await connection.fetch("select * from nothing_here")
        told["missing"] = None
    except asyncpg.PostgresError as error:
        told["missing"] = error.sqlstate
    await connection.close()

    # What a pool asks when a connection comes back to it.
    async with asyncpg.create_pool(**where, min_size=2, max_size=2) as pool:

        async def ask(least):
            async with pool.acquire() as one:
                return await one.fetchval("select count(*) from visits where id > $1", least)

        told["pool"] = await asyncio.gather(*(ask(least) for least in (0, 1, 2, 3, 4, 5)))

    try:
        await asyncpg.connect(**{**where, "password": "wrong"})
        told["wrong_password"] = None
    except asyncpg.PostgresError as error:
        told["wrong_password"] = error.sqlstate
    print(json.dumps(told))


def copied_to(buffer):
    async def take(data):
        buffer.extend(data)

    return take


asyncio.run(main())
