"""Values of PostgreSQL's types as a real server sends and writes them: starts PostgreSQL 15 and writes golden.txt beside this file.

golden.txt, a line each:
    type NAME OID MODIFIER TYPTYPE TYPELEM     of one column
    stream SUFFIX HEX                          the whole of COPY (SELECT (value)SUFFIX ...) TO STDOUT (FORMAT binary); "-" for no suffix
    row TEXT                                   each row of it as COPY ... TO STDOUT writes it, in order
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

BIN = "/usr/lib/postgresql/15/bin/"
HERE = pathlib.Path(__file__).parent

SETUP = """
CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'so so', 'très bien');
CREATE TYPE pair AS (number int, word text);
CREATE DOMAIN price AS numeric(10,2);
"""

# Type, and its values as literals; each gets a null behind them.
TYPES = [
    ("boolean", ["true", "false"]),
    ("smallint", ["0", "-32768", "32767"]),
    ("integer", ["0", "-2147483648", "2147483647", "1234567"]),
    ("bigint", ["0", "-9223372036854775808", "9223372036854775807"]),
    ("oid", ["0", "4294967295"]),
    ("xid", ["0", "4294967295"]),
    ("xid8", ["0", "18446744073709551615"]),
    ("real", ["0", "-0", "1.5", "3.4028235e38", "1e-45", "0.1", "NaN", "Infinity", "-Infinity"]),
    ("double precision", ["0", "-0", "0.1", "1.7976931348623157e308", "5e-324", "123456.789", "NaN", "Infinity", "-Infinity"]),
    ("numeric", ["0", "0.00", "1", "-1", "10000", "100000000", "0.0001", "0.00001", "1.10", "-12345678901234567890.123456789",
                 "99999999999999999999999999999999999999", "100000000000000000000000000000000000000", "1e50", "1e-50", "1234.5678901",
                 "NaN", "Infinity", "-Infinity", "0.00000000000000000000000000000000000001", "9999", "9999.9999", "10000.0001",
                 "1" + "0" * 60, "123456789012345678901234567890123456.78"]),
    ("numeric(15,2)", ["0", "0.01", "-0.01", "1234567890123.45", "-9999999999999.99", "100", "10000", "0.10", "NaN"]),
    ("numeric(38,10)", ["0", "9999999999999999999999999999.9999999999", "-0.0000000001", "NaN"]),
    ("numeric(38,0)", ["99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "7"]),
    ("numeric(38,38)", ["0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"]),
    ("numeric(5,-2)", ["1234500", "-100", "0"]),
    ("numeric(3,5)", ["0.00999", "-0.00001"]),
    ("numeric(50,5)", ["123456789012345678901234567890123456789012345.00000", "1.5"]),
    ("money", ["0", "1234.56", "-92233720368547758.08", "92233720368547758.07"]),
    ("date", ["1970-01-01", "2000-01-01", "2024-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "5874897-12-31", "0001-12-31 BC",
              "0044-03-15 BC", "4713-01-01 BC", "infinity", "-infinity"]),
    ("time", ["00:00:00", "23:59:59.999999", "12:34:56", "12:34:56.5", "24:00:00"]),
    ("time(3)", ["12:34:56.789"]),
    ("timetz", ["12:34:56.5+02", "00:00:00-15:59"]),
    ("timestamp", ["1970-01-01 00:00:00", "2000-01-01 00:00:00", "2024-02-29 12:34:56.789", "1969-12-31 23:59:59.999999",
                   "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999",
                   "0001-12-31 23:59:59.5 BC", "4713-01-01 00:00:00 BC", "infinity", "-infinity"]),
    ("timestamptz", ["1970-01-01 00:00:00Z", "2024-07-01 12:00:00.000001+02", "9999-12-31 23:59:59.999999Z", "10000-01-01 00:00:00Z",
                     "294276-12-31 23:59:59.999999Z", "0044-03-15 12:30:00Z BC", "infinity", "-infinity"]),
    ("interval", ["1 year 2 mons 3 days 04:05:06.789", "-1 day", "00:00:00"]),
    ("text", ["", "a", "Ærøskøbing 😀", "tab\\tbackslash\\\\newline\\n", "infinity", "x" * 300]),
    ("varchar(10)", ["", "abc"]),
    ("char(5)", ["", "ab", "abcde"]),
    ('"char"', ["", "a"]),
    ("name", ["pg_class"]),
    ("citext", ["Ab"]),
    ("bytea", ["", "\\\\x00ff10", "abc"]),
    ("uuid", ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("json", ['{"a": 1, "a": 2}', "null"]),
    ("jsonb", ['{"b": 1, "a": [1.50, null]}', '"x"']),
    ("xml", ["<a>b</a>", '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>']),
    ("inet", ["192.168.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "::", "2001:db8::ff00:42:8329", "2001:db8::/32", "::ffff:1.2.3.4",
              "::1.2.3.4", "::2", "::1:0", "1:0:0:2:0:0:0:3", "1:0:0:2:3:0:0:4", "1:0:2:3:4:5:6:7", "fe80::1/64"]),
    ("cidr", ["192.168.0.0/16", "10.1.2.3/32", "2001:db8::/32", "::1/128"]),
    ("macaddr", ["08:00:2b:01:02:03"]),
    ("macaddr8", ["08:00:2b:01:02:03:04:0f"]),
    ("bit(5)", ["10110"]),
    ("bit varying", ["", "1011011101"]),
    ("mood", ["sad", "très bien"]),
    ("price", ["12.30"]),
    ("pair", ["(1,\"a b\")", "(,)"]),
    ("integer[]", ["{}", "{1,NULL,3}", "{{1,2},{3,4}}"]),
    ("text[]", ['{a,"b c",NULL,"NULL"}']),
    ("int4range", ["empty", "[1,5)", "(,5]"]),
    ("int4multirange", ["{}", "{[1,3),[5,8)}"]),
    ("hstore", ['"a"=>"1", "b"=>NULL']),
    ("point", ["(1.5,-2)"]),
    ("polygon", ["((0,0),(1,1),(1,0))"]),
    ("circle", ["<(0,0),1>"]),
    ("pg_lsn", ["16/B374D848"]),
    ("tsvector", ["a fat cat"]),
    ("tsquery", ["fat & cat"]),
    ("regclass", ["pg_class"]),
    ("regtype", ["integer"]),
    ("tid", ["(42,7)"]),
    ("jsonpath", ["$.a[*]"]),
    ("aclitem", ["postgres=r/postgres"]),
    ("oidvector", ["1 2"]),
]
SUFFIXES = ["", "::text"]
MONEY_SUFFIXES = ["", "::text", "::numeric", "::numeric::text"]


def literal(value):
    return "NULL" if value is None else "E'" + value.replace("'", "''") + "'"


def main():
    root = pathlib.Path(tempfile.mkdtemp())
    shutil.chown(root, "postgres")
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data = str(root / "data")
    subprocess.run(as_postgres + [BIN + "initdb", "-D", data, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"], check=True, stdout=subprocess.DEVNULL)
    options = f"-c listen_addresses='' -k {root} -c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c fsync=off"
    control = as_postgres + [BIN + "pg_ctl", "-D", data, "-l", str(root / "log"), "-w"]
    subprocess.run(control + ["-o", options, "start"], check=True, stdout=subprocess.DEVNULL)

    def psql(command):
        line = ["psql", "-X", "-q", "-A", "-t", "-h", str(root), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-c", command]
        return subprocess.run(line, capture_output=True, env={**os.environ, "PGCLIENTENCODING": "UTF8"})

    def made(command):
        run = psql(command)
        if run.returncode:
            raise SystemExit(run.stderr.decode())
        return run.stdout

    try:
        made(SETUP)
        lines = []
        for declared, values in TYPES:
            made("DROP TABLE IF EXISTS t")
            made(f"CREATE TABLE t (place serial, v {declared})")
            for value in values + [None]:
                made(f"INSERT INTO t (v) VALUES ({literal(value)})")
            told = made("""
                SELECT b.oid, CASE a.atttypid WHEN b.oid THEN a.atttypmod ELSE d.typtypmod END, b.typtype,
                       CASE WHEN b.typelem > 0 AND b.typlen = -1 THEN b.typelem ELSE 0 END
                FROM pg_attribute a JOIN pg_type d ON d.oid = a.atttypid
                JOIN pg_type b ON b.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
                WHERE a.attrelid = 't'::regclass AND a.attname = 'v'""").decode().strip().split("|")
            lines.append("\t".join(["type", declared, *told]))
            for suffix in MONEY_SUFFIXES if declared == "money" else SUFFIXES:
                select = f"COPY (SELECT v{suffix} FROM t ORDER BY place) TO STDOUT"
                binary = psql(select + " (FORMAT binary)")
                if b"no binary output function" in binary.stderr:
                    continue
                if binary.returncode:
                    raise SystemExit(binary.stderr.decode())
                lines.append("\t".join(["stream", suffix or "-", binary.stdout.hex()]))
                lines += ["row\t" + row for row in made(select).decode().split("\n")[:-1]]
        (HERE / "golden.txt").write_text("\n".join(lines) + "\n")
    finally:
        subprocess.run(control + ["stop", "-m", "immediate"], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
