"""Judges an exported audit log with PyPI aics-tlog 0.2.1 (Python 3.12), an implementation of C2SP tlog-tiles that is not ours.

Usage: judge_tlog.py EXPORT_DIR VKEY_FILE ORIGIN

Accepts the export, then flips one byte in a copy of each of its files, one after another, and expects each to be rejected.
Exits with 0 only when all of that came true.
"""

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from aics_tlog import __version__
from aics_tlog.checkpoint import verify_checkpoint
from aics_tlog.cli import main
from aics_tlog.note import parse_note, read_vkey_file
from aics_tlog.tiles import FileSystemTileReader
from aics_tlog.verified import audit_tiles


def verdict(export: Path, vkey_file: Path, origin: str) -> int:
    """The number of entries; raises when anything is wrong."""
    key = read_vkey_file(vkey_file.read_text())
    # The key in the export is for convenience; it must be the one that is known.
    if (export / "vkey").read_text().rstrip("\n") != vkey_file.read_text().rstrip("\n"):
        raise ValueError("the export names another key")
    # The command line, as a third party runs it: signature, origin, and the tiles at the right edge.
    out = io.StringIO()
    arguments = ["verify-checkpoint", "--tiles", str(export), "--vkey-file", str(vkey_file), "--origin", origin]
    with contextlib.redirect_stdout(out):
        code = main(arguments)
    if code != 0:
        raise ValueError(out.getvalue())
    # That proves the root from the right edge; every other tile and every entry is proven by the package's own audit.
    note = parse_note((export / "checkpoint").read_bytes())
    result = verify_checkpoint(note, key, [], 0, expected_origin=origin)
    if not result.ok:
        raise ValueError(result.error)
    report = audit_tiles(FileSystemTileReader(export), result.size, result.root, entries=True)
    files = sum(1 for path in export.rglob("*") if path.is_file())
    if files != report.tiles + report.bundles + 2:
        raise ValueError(f"{files} files, but {report.tiles} tiles and {report.bundles} bundles")
    return report.size


def run(export: Path, vkey_file: Path, origin: str) -> int:
    if __version__ != "0.2.1":
        print(f"aics-tlog is {__version__}, not 0.2.1", file=sys.stderr)
        return 1
    size = verdict(export, vkey_file, origin)
    names = sorted(path.relative_to(export) for path in export.rglob("*") if path.is_file())
    rejected = 0
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "export"
            shutil.copytree(export, copy)
            content = bytearray((copy / name).read_bytes())
            content[len(content) // 2] ^= 1
            (copy / name).write_bytes(content)
            try:
                verdict(copy, vkey_file, origin)
                print(f"accepted a changed {name}", file=sys.stderr)
            except (ValueError, OSError, RuntimeError):
                rejected += 1
    print(f"accepted {size} entries; rejected {rejected} of {len(names)} changed files")
    return 0 if rejected == len(names) else 1


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
