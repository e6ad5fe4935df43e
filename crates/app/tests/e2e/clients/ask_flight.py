"""One question over Arrow Flight SQL, through ADBC: URI CA SQL, with PGUSER and PGPASSWORD, a token in POLDER_TOKEN, or the files POLDER_CERT and POLDER_KEY. Prints rows as JSON."""

import json
import os
import sys

from adbc_driver_flightsql import DatabaseOptions, dbapi

uri, ca, sql = sys.argv[1:]
with open(ca) as file:
    options = {DatabaseOptions.TLS_ROOT_CERTS.value: file.read()}
if token := os.environ.get("POLDER_TOKEN"):
    options[DatabaseOptions.AUTHORIZATION_HEADER.value] = f"Bearer {token}"
elif certificate := os.environ.get("POLDER_CERT"):
    for option, path in [
        (DatabaseOptions.MTLS_CERT_CHAIN, certificate),
        (DatabaseOptions.MTLS_PRIVATE_KEY, os.environ["POLDER_KEY"]),
    ]:
        with open(path) as file:
            options[option.value] = file.read()
else:
    options |= {"username": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"]}
with dbapi.connect(uri, db_kwargs=options) as connection, connection.cursor() as cursor:
    cursor.execute(sql)
    print(json.dumps([list(row) for row in cursor.fetchall()], default=str))
