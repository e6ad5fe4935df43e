"""polars' side of the load: CSV to Parquet with zstd, streaming. usage: polars_load.py LINEITEM_CSV OUT_PARQUET [dates]

Without `dates`, polars leaves the three dates as text, which is less work than Polder does.
"""

import sys

import polars as pl

source, target, *dates = sys.argv[1:]
pl.scan_csv(source, try_parse_dates=bool(dates)).sink_parquet(target, compression="zstd")
