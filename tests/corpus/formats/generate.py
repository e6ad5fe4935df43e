#!/usr/bin/env python3
"""Writes the same rows in every format that Polder reads (for maintainers; the files are kept in the repository).

    pip install pyarrow==26.0.1 fastavro==1.13.1 openpyxl==3.1.5 xlsxwriter==3.3.1 xlwt==1.3.0 odfpy==1.4.1 lxml==6.1.3 \
        python-snappy==0.7.3 backports.zstd
    python tests/corpus/formats/generate.py

Each writer is someone else's, but for .xlsb and fixed width, of which there is none: those are written here by the format's specification.
`people.csv` is what all of them hold.
"""

import csv
import datetime as dt
import decimal
import io
import json
import pathlib
import struct
import zipfile

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.ipc as ipc
import xlsxwriter
import xlwt
from lxml import etree
from odf import opendocument, table as odt, text as odx

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["id", "n", "amount", "day", "seen_at", "flag", "note"]
NOTES = ["", "plain", "café œuvre", "a, b; c", 'said "so"', "tab\there", "Ωmega", "100%", "it's", "x&y<z>"]


def rows():
    for n in range(1, 201):
        yield {
            "id": f"{n:05d}",
            "n": n,
            "amount": None if n % 7 == 0 else n * 1.25 - 100,
            "day": None if n % 11 == 0 else dt.date(1999, 12, 1) + dt.timedelta(days=n * 37),
            "seen_at": None if n % 13 == 0 else dt.datetime(2001, 2, 3) + dt.timedelta(hours=n * 12, minutes=n % 3),
            "flag": None if n % 5 == 0 else n % 2 == 0,
            "note": NOTES[n % len(NOTES)] or None,
            # No contract names it: it must not be decoded, and shows in no answer.
            "secret": f"hidden-{n}",
        }


ROWS = list(rows())
ALL = NAMES + ["secret"]


def put(name, data):
    (HERE / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def as_csv(sink, **options):
    writer = csv.writer(sink, lineterminator="\n", **options)
    writer.writerow(ALL)
    writer.writerows([text(row[name]) for name in ALL] for row in ROWS)
    return sink.getvalue()


put("people.csv", as_csv(io.StringIO()))

# ---------------------------------------------------------------- dialects and encodings

WESTERN = [dict(row, note=(row["note"] or "").replace("Ω", "O") or None) for row in ROWS]


def french(row, name):
    value = row[name]
    if name == "amount" and value is not None:
        sign, whole = ("-" if value < 0 else ""), f"{abs(value):,.2f}"
        return sign + whole.replace(",", "\u00a0").replace(".", ",")
    return text(value)


sink = io.StringIO()
sink.write("Export du 3 mars\r\n\r\n")
writer = csv.writer(sink, delimiter=";", lineterminator=";\r\n")
writer.writerow(ALL)
writer.writerows([french(row, name) for name in ALL] for row in ROWS)
put("people-utf16.csv", b"\xff\xfe" + sink.getvalue().encode("utf-16le"))

sink = io.StringIO()
writer = csv.writer(sink, delimiter=";", lineterminator="\r\n")
writer.writerow(ALL)
writer.writerows([french(row, name) for name in ALL] for row in WESTERN)
put("people-cp1252.csv", sink.getvalue().encode("cp1252"))

sink = io.StringIO()
sink.write("# made by a database\n")
writer = csv.writer(sink, delimiter="\t", lineterminator="\n", doublequote=False, escapechar="\\", quotechar="'", quoting=csv.QUOTE_MINIMAL)
writer.writerow(ALL)
writer.writerows([text(row[name]) for name in ALL] for row in ROWS)
put("people-escaped.csv", sink.getvalue())

# ---------------------------------------------------------------- JSON


def plain(row):
    return {name: (value if value is None or isinstance(value, (bool, int, float, str)) else text(value)) for name, value in row.items()}


def nested(row):
    flat = plain(row)
    return {"id": flat["id"], "n": flat["n"], "money": {"amount": flat["amount"], "unit": "EUR"}, "seen": {"day": flat["day"], "at": flat["seen_at"]}, "flag": flat["flag"],
            "note": flat["note"], "secret": {"deep": [flat["secret"]]}}


put("people.json", json.dumps([plain(row) for row in ROWS], ensure_ascii=True, indent=1))
put("people-nested.json", json.dumps({"meta": {"records": ["not", "these"]}, "result": {"count": len(ROWS), "items": [nested(row) for row in ROWS]}}, ensure_ascii=False))
put("people.ndjson", "".join(json.dumps(plain(row), ensure_ascii=False) + "\n" for row in ROWS))
GROUPS = [{"group": {"id": f"g{start}"}, "people": [plain(row) for row in ROWS[start:start + 30]]} for start in range(0, 200, 30)] + [{"group": {"id": "none"}, "people": []}, {"group": {"id": "absent"}}]
put("people-groups.json", json.dumps(GROUPS, ensure_ascii=False))
put("people-groups.ndjson", "".join(json.dumps(group) + "\n" for group in GROUPS))

# ---------------------------------------------------------------- Excel


def sheet(book_sheet, write_moment=lambda value: value):
    book_sheet.append(ALL)
    for row in ROWS:
        book_sheet.append([write_moment(row[name]) for name in ALL])


book = openpyxl.Workbook()
sheet(book.active)
book.active.title = "people"
book.save(HERE / "people.xlsx")

# What real workbooks have: lines above the table, another sheet, a hidden one, merged cells, formulas with their values, 1904 dates.
book = xlsxwriter.Workbook(HERE / "people-1904.xlsx", {"date_1904": True, "default_date_format": "yyyy-mm-dd hh:mm"})
book.add_worksheet("cover").write("A1", "Not this one")
page = book.add_worksheet("Données 2001")
book.add_worksheet("hidden").hide()
bold = book.add_format({"bold": True})
page.merge_range("A1:D1", "Personnes", bold)
page.write("A2", "made by hand")
for column, name in enumerate(ALL):
    page.write(4, column + 1, name, bold)
for place, row in enumerate(ROWS):
    for column, name in enumerate(ALL):
        value = row[name]
        if name == "amount" and value is not None:
            page.write_formula(place + 5, column + 1, f"=C{place + 6}*1.25-100", None, value)
        elif isinstance(value, (dt.date, dt.datetime)):
            page.write_datetime(place + 5, column + 1, value)
        elif value is not None:
            page.write(place + 5, column + 1, value)
page.write("K7", "a remark beside the table")
book.close()

book = xlwt.Workbook()
page = book.add_sheet("people")
day, moment = xlwt.easyxf(num_format_str="YYYY-MM-DD"), xlwt.easyxf(num_format_str="YYYY-MM-DD HH:MM:SS")
for column, name in enumerate(ALL):
    page.write(0, column, name)
for place, row in enumerate(ROWS):
    for column, name in enumerate(ALL):
        value = row[name]
        if value is not None:
            style = moment if isinstance(value, dt.datetime) else day if isinstance(value, dt.date) else xlwt.Style.default_style
            page.write(place + 1, column, value, style)
book.save(str(HERE / "people.xls"))

document = opendocument.OpenDocumentSpreadsheet()
page = odt.Table(name="people")
line = odt.TableRow()
for name in ALL:
    cell = odt.TableCell(valuetype="string")
    cell.addElement(odx.P(text=name))
    line.addElement(cell)
page.addElement(line)
for row in ROWS:
    line = odt.TableRow()
    for name in ALL:
        value = row[name]
        if value is None:
            cell = odt.TableCell()
        elif isinstance(value, bool):
            cell = odt.TableCell(valuetype="boolean", booleanvalue=text(value))
        elif isinstance(value, (int, float)):
            cell = odt.TableCell(valuetype="float", value=str(value))
        elif isinstance(value, dt.datetime):
            cell = odt.TableCell(valuetype="date", datevalue=value.strftime("%Y-%m-%dT%H:%M:%S"))
        elif isinstance(value, dt.date):
            cell = odt.TableCell(valuetype="date", datevalue=str(value))
        else:
            cell = odt.TableCell(valuetype="string", stringvalue=value)
            cell.addElement(odx.P(text=value))
        line.addElement(cell)
    page.addElement(line)
document.spreadsheet.addElement(page)
document.save(str(HERE / "people.ods"))


def xlsb():
    """[MS-XLSB]: records of a type (one or two bytes), a length (of seven bits a byte) and that many bytes."""

    def record(kind, data=b""):
        head = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
        length, out = len(data), b""
        while True:
            low, length = length & 127, length >> 7
            out += bytes([low | (128 if length else 0)])
            if not length:
                return head + out + data

    def wide(value):
        data = value.encode("utf-16le")
        return struct.pack("<I", len(data) // 2) + data

    def cell(column, style=0):
        return struct.pack("<II", column, style)

    epoch = dt.datetime(1899, 12, 30)

    def value(column, value):
        if isinstance(value, bool):
            return record(4, cell(column) + bytes([value]))
        if isinstance(value, (dt.date, dt.datetime)):
            whole = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
            return record(5, cell(column, 1) + struct.pack("<d", (whole - epoch) / dt.timedelta(days=1)))
        if isinstance(value, (int, float)):
            return record(5, cell(column) + struct.pack("<d", value))
        return record(6, cell(column) + wide(value))

    lines = [dict(zip(ALL, ALL))] + ROWS
    data = b""
    for place, row in enumerate(lines):
        data += record(0, struct.pack("<IIHBBBI", place, 0, 300, 0, 0, 0, 0))
        data += b"".join(value(column, row[name]) for column, name in enumerate(ALL) if row[name] is not None)
    page = record(0x81) + record(0x94, struct.pack("<IIII", 0, len(lines) - 1, 0, len(ALL) - 1)) + record(0x91) + data + record(0x92) + record(0x82)
    formats = b"".join(record(0x2F, struct.pack("<HHHHHBBHHH", 0, code, 0, 0, 0, 0, 0, 0, 0, 0)[:16]) for code in (0, 22))
    styles = record(0x116) + record(0x269, struct.pack("<I", 2)) + formats + record(0x26A) + record(0x117)
    sheets = record(0x9C, struct.pack("<II", 0, 1) + wide("rId1") + wide("people"))
    workbook = record(0x83) + record(0x99, struct.pack("<II", 0, 0) + wide("")) + record(0x8F) + sheets + record(0x90) + record(0x9D, b"\0" * 26) + record(0x84)
    relation = '<Relationship Id="{}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}" Target="{}"/>'
    relations = '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in {
            "_rels/.rels": relations.format(relation.format("rId1", "officeDocument", "xl/workbook.bin")),
            "xl/workbook.bin": workbook,
            "xl/_rels/workbook.bin.rels": relations.format(relation.format("rId1", "worksheet", "worksheets/sheet1.bin") + relation.format("rId2", "styles", "styles.bin")),
            "xl/styles.bin": styles,
            "xl/worksheets/sheet1.bin": page,
        }.items():
            package.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), part)
    return sink.getvalue()


put("people.xlsb", xlsb())

# ---------------------------------------------------------------- Avro

UTC = dt.timezone.utc
AVRO = {
    "type": "record", "name": "person", "namespace": "example.people",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "secret", "type": {"type": "map", "values": {"type": "array", "items": "string"}}},
        {"name": "n", "type": "long"},
        {"name": "amount", "type": ["null", "double"]},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "seen_at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
        {"name": "flag", "type": ["null", "boolean"]},
        {"name": "note", "type": ["null", "string"]},
    ],
}


def avro(codec):
    sink = io.BytesIO()
    records = [dict(row, seen_at=row["seen_at"] and row["seen_at"].replace(tzinfo=UTC), secret={"a": [row["secret"]], "b": []}) for row in ROWS]
    fastavro.writer(sink, fastavro.parse_schema(AVRO), records, codec=codec, sync_interval=2000, sync_marker=b"polder's markers")
    return sink.getvalue()


for codec in ("null", "deflate", "snappy", "zstandard"):
    put(f"people-{codec}.avro", avro(codec))

# ---------------------------------------------------------------- Arrow IPC

TYPES = {"id": pa.string(), "n": pa.int32(), "amount": pa.float64(), "day": pa.date32(), "seen_at": pa.timestamp("ms", "UTC"), "flag": pa.bool_(), "note": pa.string(), "secret": pa.string()}
TABLE = pa.table({name: pa.array([row[name] for row in ROWS], kind) for name, kind in TYPES.items()})


def arrow(data, is_file, **options):
    sink = pa.BufferOutputStream()
    make = ipc.new_file if is_file else ipc.new_stream
    with make(sink, data.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(data, max_chunksize=64)
    return sink.getvalue().to_pybytes()


coded = TABLE.set_column(6, "note", TABLE["note"].combine_chunks().dictionary_encode())
views = TABLE.set_column(0, "id", TABLE["id"].cast(pa.string_view())).set_column(6, "note", TABLE["note"].cast(pa.large_string()))
put("people.arrow", arrow(coded, True))
put("people-lz4.arrow", arrow(TABLE, True, compression="lz4"))
put("people.arrows", arrow(coded, False, compression="zstd"))
put("people-views.arrows", arrow(views, False))

# ---------------------------------------------------------------- XML


def xml(encoding):
    root = etree.Element("{urn:people}export", nsmap={"p": "urn:people", "xsi": "http://www.w3.org/2001/XMLSchema-instance"})
    etree.SubElement(root, "head").text = "made by lxml"
    people = etree.SubElement(root, "{urn:people}people")
    for row in ROWS:
        person = etree.SubElement(people, "{urn:people}person", id=row["id"])
        etree.SubElement(person, "n").text = str(row["n"])
        money = etree.SubElement(person, "money", unit="EUR")
        if row["amount"] is not None:
            etree.SubElement(money, "amount").text = str(row["amount"])
        seen = etree.SubElement(person, "seen", **{} if row["seen_at"] is None else {"at": text(row["seen_at"])})
        day = etree.SubElement(seen, "day")
        if row["day"] is None:
            day.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
        else:
            day.text = str(row["day"])
        etree.SubElement(person, "flag").text = text(row["flag"])
        note = etree.SubElement(person, "{urn:people}note")
        note.text = etree.CDATA(row["note"]) if row["note"] and "&" in row["note"] else row["note"]
        etree.SubElement(etree.SubElement(person, "secret"), "deep").text = row["secret"]
    return etree.tostring(root, xml_declaration=True, encoding=encoding, pretty_print=True)


put("people.xml", xml("utf-8"))
put("people-utf16.xml", xml("utf-16"))
put("people-latin9.xml", xml("iso-8859-15"))

# ---------------------------------------------------------------- fixed width

WIDTHS = {"id": 5, "n": 6, "amount": 10, "day": 10, "seen_at": 20, "flag": 5, "note": 12, "secret": 12}


def fixed(row, encoding=None):
    out = [text(row[name]).rjust(width) if name in ("n", "amount") else text(row[name]).ljust(width) for name, width in WIDTHS.items()]
    return "".join(out)


put("people-characters.txt", "".join(fixed(row).rstrip() + "\r\n" for row in ROWS))
put("people-bytes.dat", "".join(fixed(row) for row in WESTERN).encode("cp1252"))


def layout(unit, more):
    out, start = f"unit: {unit}\n{more}columns:\n", 1
    for name, width in WIDTHS.items():
        out += f"  - {{name: {json.dumps(name)}, start: {start}, length: {width}}}\n"
        start += width
    return out


put("layout-characters.yaml", layout("characters", "short_lines: pad\n"))
put("layout-bytes.yaml", layout("bytes", f"record_length: {sum(WIDTHS.values())}\n"))

assert decimal.Decimal("1.25") and sum(WIDTHS.values()) == 80
print(len(ROWS), "rows")
