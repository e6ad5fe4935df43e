#!/usr/bin/env python3
"""Computes the demo's answers without Polder (for maintainers), twice, and refuses to write them when the two disagree.

    pip install duckdb==1.5.5 pandas pyarrow zstandard
    python demo/expected/compute.py

Once with DuckDB in SQL, once with pandas, both from `demo/data`. The contracts' rules are written out again here, by hand.
"""

import csv
import pathlib

import duckdb
import pandas as pd

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
WIND = ["0 to 5 mph", "5 to 15 mph", "15 to 25 mph", "25 mph and more", "unknown"]
AGE = ["0 to 4 years", "5 to 9 years", "10 to 19 years", "20 years and more", "unknown"]
MEASURES = ["flights", "departed", "dep_delay_minutes", "arrived", "arr_delay_minutes", "found_aircraft", "found_weather", "found_destination"]
# What each contract refuses: (table, column, rule, condition in SQL under which a value breaks the rule).
RULES = [
    ("flights", "tailnum", "pattern", r"not regexp_full_match(tailnum, 'N[0-9][0-9A-Z]{1,4}')"),
    ("flights", "distance", "minimum", "distance < 50"),
    ("weather", "wind_speed", "maximum", "wind_speed > 253"),
    ("airports", "lat", "maximum", "lat > 71.4"),
    ("airports", "tz", "maximum", "tz > -4"),
]
TABLES = ["airlines", "airports", "flights", "planes", "weather"]


def with_duckdb():
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute(f"create table flights as from read_csv('{DATA}/flights.csv.zst', nullstr = 'NA')")
    db.execute(f"create table weather as from read_json('{DATA}/weather.ndjson.gz', format = 'newline_delimited')")
    for name in ("airlines", "airports", "planes"):
        db.execute(f"create table {name} as from read_parquet('{DATA}/{name}.parquet')")
    read = {name: db.execute(f"select count(*) from {name}").fetchone()[0] for name in TABLES}
    refused = []
    for table, column, rule, condition in RULES:
        refused.append((table, column, rule, db.execute(f"select count(*) from {table} where {condition}").fetchone()[0]))
    for table, _, _, condition in RULES:
        db.execute(f"delete from {table} where {condition}")
    loaded = {name: db.execute(f"select count(*) from {name}").fetchone()[0] for name in TABLES}
    db.execute("""
        create table joined as
        select f.*, p.tailnum as plane, p.year as built, w.origin as weather_origin, w.wind_speed, d.faa, a.name as airline
        from flights f
        join airlines a using (carrier)
        left join weather w on w.origin = f.origin and w.time_hour = f.time_hour
        left join planes p on p.tailnum = f.tailnum
        left join airports d on d.faa = f.dest""")
    cells = db.execute("""
        select
          case when wind_speed is null then 'unknown' when wind_speed >= 25 then '25 mph and more'
               when wind_speed >= 15 then '15 to 25 mph' when wind_speed >= 5 then '5 to 15 mph' else '0 to 5 mph' end wind,
          case when built is null then 'unknown' when year - built >= 20 then '20 years and more'
               when year - built >= 10 then '10 to 19 years' when year - built >= 5 then '5 to 9 years' else '0 to 4 years' end age,
          airline, count(*), count(dep_delay), sum(dep_delay)::bigint, count(arr_delay), sum(arr_delay)::bigint,
          count(plane), count(weather_origin), count(faa)
        from joined group by all""").fetchall()
    return read, loaded, refused, {row[:3]: [None if v is None else int(v) for v in row[3:]] for row in cells}


def with_pandas():
    flights = pd.read_csv(DATA / "flights.csv.zst", na_values=["NA"], keep_default_na=False)
    weather = pd.read_json(DATA / "weather.ndjson.gz", lines=True, dtype=False)
    airlines, airports, planes = (pd.read_parquet(DATA / f"{name}.parquet") for name in ("airlines", "airports", "planes"))
    flights = flights[(flights.tailnum.isna() | flights.tailnum.str.fullmatch("N[0-9][0-9A-Z]{1,4}")) & (flights.distance >= 50)]
    weather = weather[~(weather.wind_speed > 253)]
    airports = airports[(airports.lat <= 71.4) & (airports.tz <= -4)]
    all_of_it = (
        flights.merge(airlines.rename(columns={"name": "airline"}), on="carrier", validate="many_to_one")
        .merge(weather[["origin", "time_hour", "wind_speed"]], on=["origin", "time_hour"], how="left", validate="many_to_one", indicator="_weather")
        .merge(planes[["tailnum", "year"]].rename(columns={"year": "built"}), on="tailnum", how="left", validate="many_to_one", indicator="_plane")
        .merge(airports[["faa"]], left_on="dest", right_on="faa", how="left", validate="many_to_one", indicator="_dest")
    )
    bands = lambda values, edges, names: pd.cut(values, edges, right=False, labels=names[:-1]).astype(object).where(values.notna(), "unknown")
    all_of_it["wind"] = bands(all_of_it.wind_speed, [0, 5, 15, 25, 1e9], WIND)
    all_of_it["age"] = bands(all_of_it.year - all_of_it.built, [0, 5, 10, 20, 1e9], AGE)
    cells = {}
    for key, group in all_of_it.groupby(["wind", "age", "airline"], observed=True):
        total = lambda column: int(group[column].sum()) if group[column].notna().any() else None
        found = lambda column: int((group[column] == "both").sum())
        cells[key] = [len(group), int(group.dep_delay.notna().sum()), total("dep_delay"), int(group.arr_delay.notna().sum()),
                      total("arr_delay"), found("_plane"), found("_weather"), found("_dest")]
    return {"flights": len(flights), "weather": len(weather), "airlines": len(airlines), "airports": len(airports), "planes": len(planes)}, cells


def write(name, header, rows):
    with open(HERE / name, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if value is None else value for value in row] for row in rows)


def rolled_up(cells, position, order):
    sums = {}
    for key, values in cells.items():
        into = sums.setdefault(key[position], [0] * len(MEASURES))
        for index, value in enumerate(values):
            into[index] += value or 0
    rank = {name: index for index, name in enumerate(order)} if order else {}
    for name in sorted(sums, key=lambda name: (rank.get(name, 0), name)):
        values = sums[name]
        yield [name, *values, values[2] / values[1], values[4] / values[3]]


def main():
    read, loaded, refused, cells = with_duckdb()
    loaded_again, cells_again = with_pandas()
    assert loaded == loaded_again, (loaded, loaded_again)
    assert cells == cells_again, {key: (cells.get(key), cells_again.get(key)) for key in cells.keys() | cells_again.keys() if cells.get(key) != cells_again.get(key)}
    write("counts.csv", ["table", "read", "loaded", "quarantined"], [[t, read[t], loaded[t], read[t] - loaded[t]] for t in TABLES])
    write("quarantined.csv", ["table", "column", "rule", "rows"], refused)
    write("delays.csv", ["wind", "aircraft_age", "airline", *MEASURES], [[*key, *cells[key]] for key in sorted(cells)])
    more = [*MEASURES, "dep_delay_mean", "arr_delay_mean"]
    write("by_wind.csv", ["wind", *more], rolled_up(cells, 0, WIND))
    write("by_aircraft_age.csv", ["aircraft_age", *more], rolled_up(cells, 1, AGE))
    write("by_airline.csv", ["airline", *more], rolled_up(cells, 2, None))
    found = [sum(values[index] for values in cells.values()) for index in (0, 5, 6, 7)]
    write("found.csv", ["flights", "found_aircraft", "found_weather", "found_destination"], [found])
    print("written; DuckDB and pandas agree on", len(cells), "cells;", found)


if __name__ == "__main__":
    main()
