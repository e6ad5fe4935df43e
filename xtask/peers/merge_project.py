"""Polder's side of the merges, but for `polder` itself.

usage: merge_project.py fill PROJECT TABLE DIR
           gives a project DIR/base.parquet as its source, and the table's contract
       merge_project.py copy BASE PROJECT TABLE DIR
           copies a loaded project, and gives it DIR/changes.parquet as its source
       merge_project.py check POLDER PROJECT NAME TABLE DIR
           compares the table with DIR/expected-NAME.csv
"""

import os
import pathlib
import shutil
import subprocess
import sys

from merge_tables import compare, question

GONE = "      - {name: gone, logicalType: boolean, required: true}\n"


def source(project, table, folder, file):
    (project / "sources").mkdir(exist_ok=True)
    text = f"type: parquet\npath: {folder.resolve()}\ndatasets:\n  {table}: {{file: {file}.parquet}}\n"
    (project / "sources/tpch.yaml").write_text(text)


def contract(table):
    # The two tables of readings differ in their keys alone.
    of = "readings" if table == "scattered" else table
    text = (pathlib.Path(__file__).resolve().parent / f"contracts/{of}.odcs.yaml").read_text().replace(f": {of}", f": {table}")
    if table == "lineitem":
        merge = "{property: polder.disposition, value: merge}\n  - {property: polder.deletes, value: {flag: gone}}"
        text = text.replace("value: fail}", f"value: fail}}\n  - {merge}") + GONE
    return text


def place(old, new):
    # Objects of tables get their names once and are never written to; whatever else may be is copied.
    if "/store/tables/" in old:
        os.link(old, new)
    else:
        shutil.copy2(old, new)
    return new


way, *arguments, table, folder = sys.argv[1:]
folder = pathlib.Path(folder)
if way == "fill":
    project = pathlib.Path(arguments[0])
    source(project, table, folder, "base")
    (project / "contracts").mkdir(exist_ok=True)
    (project / f"contracts/{table}.odcs.yaml").write_text(contract(table))
elif way == "copy":
    base, project = map(pathlib.Path, arguments)
    shutil.copytree(base, project, copy_function=place)
    source(project, table, folder, "changes")
    # What is still on its way to the disk would be waited for by the first commit.
    os.sync()
else:
    polder, project, name = arguments
    asked = [polder, "sql", question(table), "--project", project, "--output", "csv"]
    told = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
    compare(told.stdout, (folder / f"expected-{name}.csv").read_text())
