"""One question over Arrow Flight SQL, through ADBC: URI CA SQL, with PGUSER and PGPASSWORD or a token in POLDER_TOKEN. Prints rows as JSON."""

import json
import os
import sys

from adbc_driver_flightsql import DatabaseOptions, dbapi

uri, ca, sql = sys.argv[1:]
with open(ca) as file:
    options = {DatabaseOptions.TLS_ROOT_CERTS.value: file.read()}
if token := os.environ.get("POLDER_TOKEN"):
    options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {token}"
else:
    options |= {"username": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"]}
with dbapi.connect(uri, db_kwargs=options) as connection, connection.cursor() as cursor:
    cursor.execute(sql)
    print(json.dumps([list(row) for row in cursor.fetchall()], default=str))
