"""Gives a project a database as its source, and lineitem's contract. usage: database_project.py PROJECT_DIR TYPE DATASET URL"""

import pathlib
import sys

project, kind, dataset, url = sys.argv[1:]
project = pathlib.Path(project)
here = pathlib.Path(__file__).resolve().parent
(project / "sources").mkdir(exist_ok=True)
(project / "contracts").mkdir(exist_ok=True)
(project / "url").write_text(url)
(project / "url").chmod(0o600)
(project / "sources/tpch.yaml").write_text(f"type: {kind}\nurl: file:url\nplain_loopback: true\ntables: ['{dataset}']\n")
contract = (here / "contracts/lineitem.odcs.yaml").read_text()
contract = contract.replace("physicalName: lineitem", f"physicalName: {dataset}")
contract = contract.replace("value: fail}", "value: fail}\n  - {property: polder.disposition, value: replace}")
(project / "contracts/lineitem.odcs.yaml").write_text(contract)
