"""Puts TPC-H's source and contracts into a project that `polder init` made. usage: project.py PROJECT_DIR CSV_DIR TABLE..."""

import pathlib
import sys

project, data, *tables = sys.argv[1:]
project = pathlib.Path(project)
here = pathlib.Path(__file__).resolve().parent
(project / "sources").mkdir(exist_ok=True)
(project / "contracts").mkdir(exist_ok=True)
lines = ["type: csv", f"path: {pathlib.Path(data).resolve()}", "datasets:"]
lines += [f"  {table}: {{file: {table}.csv}}" for table in tables]
(project / "sources/tpch.yaml").write_text("\n".join(lines) + "\n")
for table in tables:
    name = f"{table}.odcs.yaml"
    (project / "contracts" / name).write_text((here / "contracts" / name).read_text())
