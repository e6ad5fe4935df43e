"""polars' side of the load: CSV to Parquet with zstd, streaming. usage: polars_load.py LINEITEM_CSV OUT_PARQUET"""

import sys

import polars as pl

source, target = sys.argv[1:]
pl.scan_csv(source, try_parse_dates=True).sink_parquet(target, compression="zstd")
