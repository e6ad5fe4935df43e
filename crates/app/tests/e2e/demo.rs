//! `polder demo`: what stands on its screen is computed, and is right. The answers in `demo/expected` were worked out without Polder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Ran, ran};

const MEASURES: [&str; 8] =
    ["flights", "departed", "dep_delay_minutes", "arrived", "arr_delay_minutes", "found_aircraft", "found_weather", "found_destination"];
const TABLES: [&str; 5] = ["airlines", "airports", "flights", "planes", "weather"];
/// From the columns of the loaded tables, not from the demo's model: the bands are written out again here.
const JOINED: &str = "select \
    case when w.wind_speed >= 25 then '25 mph and more' when w.wind_speed >= 15 then '15 to 25 mph' \
         when w.wind_speed >= 5 then '5 to 15 mph' when w.wind_speed >= 0 then '0 to 5 mph' else 'unknown' end as wind, \
    case when f.year - p.year >= 20 then '20 years and more' when f.year - p.year >= 10 then '10 to 19 years' \
         when f.year - p.year >= 5 then '5 to 9 years' when p.year is not null then '0 to 4 years' else 'unknown' end as aircraft_age, \
    a.name as airline, f.dep_delay, f.arr_delay, p.tailnum as aircraft, w.origin as weather, d.faa as destination \
  from airlines a join flights f on f.carrier = a.carrier \
  left join airports d on f.dest = d.faa left join planes p on f.tailnum = p.tailnum \
  left join weather w on f.time_hour = w.time_hour and f.origin = w.origin";
const MEASURED: &str = "count(*) as flights, count(dep_delay) as departed, sum(dep_delay) as dep_delay_minutes, \
    count(arr_delay) as arrived, sum(arr_delay) as arr_delay_minutes, \
    count(aircraft) as found_aircraft, count(weather) as found_weather, count(destination) as found_destination";

struct Demo {
    root: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("demo")
    }

    fn polder(&self, args: &[&str]) -> Ran {
        let project = self.dir().join("project");
        let at = if project.is_dir() { project } else { self.root.path().to_path_buf() };
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(args).current_dir(at).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
        ran(command.output().unwrap())
    }

    fn run(&self, flights: Option<&Path>) -> Ran {
        let dir = self.dir();
        let mut args = vec!["demo", "--dir", dir.to_str().unwrap()];
        if let Some(file) = flights {
            args.extend(["--flights", file.to_str().unwrap()]);
        }
        self.polder(&args)
    }

    /// Rows of a question, the header among them.
    fn ask(&self, sql: &str) -> Vec<String> {
        self.polder(&["sql", sql, "--output", "csv"]).ok().lines().map(str::to_owned).collect()
    }

    /// [read, loaded, quarantined] of the newest version of a table.
    fn counts(&self, table: &str) -> [u64; 3] {
        let history = json(&self.polder(&["table", "history", table, "--output", "json"]).ok());
        let newest = history.as_array().unwrap().last().unwrap().clone();
        assert_eq!(newest["rejected"], 0, "{newest}");
        ["read", "loaded", "quarantined"].map(|name| newest[name].as_u64().unwrap())
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo").join(path)
}

/// A file of `demo/expected`, line by line with its header. None of its values is quoted.
fn expected(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(shipped("expected").join(name)).unwrap();
    assert!(!text.contains('"'), "{name} must be split as CSV");
    text.lines().map(str::to_owned).collect()
}

/// The rows of an expected file by column name.
fn records(name: &str) -> Vec<BTreeMap<String, String>> {
    let lines = expected(name);
    let names: Vec<&str> = lines[0].split(',').collect();
    lines[1..].iter().map(|line| names.iter().map(|name| (*name).to_owned()).zip(line.split(',').map(str::to_owned)).collect()).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// What the screen shows for a command: the lines from it to the next command or heading.
#[track_caller]
fn shown<'a>(screen: &'a str, command: &str) -> Vec<&'a str> {
    let prompt = format!("$ polder {command}");
    let is = |line: &str| if command.contains('"') { line.starts_with(&prompt) } else { line == prompt };
    let mut lines = screen.lines().skip_while(|line| !is(line));
    assert!(lines.next().is_some(), "`polder {command}` is not on the screen:\n{screen}");
    lines.take_while(|line| !line.starts_with("$ ") && !line.starts_with("──")).filter(|line| !line.is_empty()).collect()
}

/// The rows of a question's answer on the screen, cells apart by two spaces or more.
fn answer(screen: &str, group: &str) -> Vec<Vec<String>> {
    let cells = |line: &&str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    let lines = shown(screen, &format!("sql \"select {group}"));
    let (last, rows) = lines[2..].split_last().unwrap();
    assert!(last.starts_with(&format!("({} row", rows.len())), "{last}");
    rows.iter().map(cells).collect()
}

#[test]
fn the_demo_shows_what_was_computed_without_polder() {
    let demo = Demo::new();
    let screen = demo.run(None).ok();

    let headings: Vec<&str> = screen.lines().filter(|line| line.starts_with("── ")).collect();
    for (at, part) in
        ["a project", "a load, killed with SIGKILL", "what was refused", "questions that join", "one bit", "the proof"].iter().enumerate()
    {
        assert!(headings[at].starts_with(&format!("── {}. {part}", at + 1)), "{headings:?}");
    }
    assert_eq!(headings.len(), 6);

    // Every contract was approved, and the table says so.
    let checked = shown(&screen, "contract check");
    assert_eq!(checked.len(), 1 + TABLES.len(), "{checked:?}");
    for (line, table) in checked[1..].iter().zip(TABLES) {
        assert!(line.starts_with(table) && line.ends_with("true"), "{line}");
    }
    // What is visible after the kill was asked, and the answer stands there.
    assert_eq!(
        shown(&screen, "table list --output json"),
        ["[]", "(nothing: flights is not among the tables that can be read)"],
        "{screen}"
    );
    // What it says to try next can be typed as it stands, by someone who has not installed the program.
    let next: Vec<&str> = screen.lines().skip_while(|line| *line != "try next:").skip(1).map(str::trim_start).collect();
    assert_eq!(next.len(), 3, "{next:?}");
    // A program is told where it lies, and a target directory may be a link.
    let program = Path::new(env!("CARGO_BIN_EXE_polder")).canonicalize().unwrap();
    for (at, line) in next.into_iter().enumerate() {
        assert!(line.starts_with(program.to_str().unwrap()), "{line}");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).current_dir(demo.root.path()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", demo.root.path());
        let out = ran(shell.stdin(Stdio::null()).output().unwrap()).ok();
        assert!(at > 0 || out.ends_with("(5 rows)\n"), "{out}");
    }

    // Rows read, loaded and refused, on the screen and in the log.
    let loaded = shown(&screen, "run").join("\n");
    let history = shown(&screen, "table history flights").last().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for row in records("counts.csv") {
        let [table, read, kept, refused] = ["table", "read", "loaded", "quarantined"].map(|name| row[name].as_str());
        let line = loaded.lines().find(|line| line.starts_with(&format!("{table} ")) && line.contains(" committed, ")).unwrap();
        let rest = if refused == "0" { "0 rejected".to_owned() } else { format!("{refused} quarantined") };
        assert!(line.ends_with(&format!(": {read} read = {kept} loaded + {rest}")), "{line}");
        assert_eq!(demo.counts(table).map(|count| count.to_string()), [read, kept, refused]);
        assert_eq!(demo.ask(&format!("select count(*) from {table}"))[1], kept);
        if table == "flights" {
            assert_eq!(history[4..7], [read, kept, refused]);
        }
    }
    // No value of the flights is taken for a risk.
    assert_eq!(json(&demo.polder(&["audit", "show", "--type", "content_inspected", "--output", "json"]).ok()), json("[]"));
    let kept: Vec<String> = json(&demo.polder(&["quarantine", "list", "--output", "json"]).ok())
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["batch"] == "committed")
        .map(|row| format!("{},{},{},{}", text(row, "table"), text(row, "column"), text(row, "rule"), row["rows"]))
        .collect();
    assert_eq!(sorted(kept.clone()), sorted(expected("quarantined.csv")[1..].to_vec()));
    let listed = shown(&screen, "quarantine list");
    for row in kept {
        let mut cells = row.split(',');
        let [table, column, rule, rows] = std::array::from_fn(|_| cells.next().unwrap());
        let is = |line: &&&str| {
            line.starts_with(table)
                && line.contains(&format!(" {column} "))
                && line.contains(&format!(" {rule} "))
                && line.ends_with(&format!(" {rows}"))
        };
        assert!(listed.iter().any(|line| is(&line) && line.contains("  committed ")), "{row}: {listed:#?}");
    }

    // The model, and the same join asked again over the loaded tables.
    let delays = expected("delays.csv");
    let columns = &delays[0];
    assert_eq!(demo.ask(&format!("select {columns} from delays order by wind, aircraft_age, airline")), delays);
    assert_eq!(
        demo.ask(&format!("select wind, aircraft_age, airline, {MEASURED} from ({JOINED}) group by 1, 2, 3 order by 1, 2, 3")),
        delays
    );
    let found = &records("found.csv")[0];
    let names: Vec<&str> = ["flights", "found_aircraft", "found_weather", "found_destination"].to_vec();
    assert_eq!(demo.ask(&format!("select {} from (select {MEASURED} from ({JOINED}))", names.join(", "))), expected("found.csv"));
    assert_eq!(answer(&screen, "sum(flights)"), [["flights", "found_aircraft", "found_weather"].map(|name| found[name].clone())]);

    // Each way of summing: asked again to the last digit, and as the screen shows it.
    let mean = |row: &BTreeMap<String, String>, name: &str| format!("{:.1}", row[name].parse::<f64>().unwrap());
    for (file, key, delay) in [
        ("by_wind.csv", "wind", "dep_delay_mean"),
        ("by_aircraft_age.csv", "aircraft_age", "arr_delay_mean"),
        ("by_airline.csv", "airline", "arr_delay_mean"),
    ] {
        let means =
            "cast(dep_delay_minutes as double) / departed as dep_delay_mean, cast(arr_delay_minutes as double) / arrived as arr_delay_mean";
        let sql = format!("select {key}, {}, {means} from (select {key}, {MEASURED} from ({JOINED}) group by {key})", MEASURES.join(", "));
        assert_eq!(sorted(demo.ask(&sql)), sorted(expected(file)));
        let mut wanted: Vec<Vec<String>> =
            records(file).iter().map(|row| vec![row[key].clone(), row["flights"].clone(), mean(row, delay)]).collect();
        if key == "airline" {
            wanted.sort_by(|a, b| b[2].parse::<f64>().unwrap().total_cmp(&a[2].parse().unwrap()));
            wanted.truncate(5);
        } else {
            wanted.sort();
        }
        assert_eq!(answer(&screen, key), wanted, "{file}");
    }

    // The flipped bit was found, put back, and nothing else is wrong.
    let refused = shown(&screen, "audit verify").join("\n");
    assert!(refused.contains("it is not as it was sealed") && refused.contains("(exit code 6;"), "{refused}");
    let verified = json(&demo.polder(&["audit", "verify", "--output", "json"]).ok());
    assert_eq!((&verified["intact"], &verified["anchor"]), (&true.into(), &"consistent".into()), "{verified}");
    assert!(screen.contains("inside gzip, zstd, snappy and Parquet: 0 found"), "{screen}");
    let control =
        screen.lines().find_map(|line| line.strip_prefix("control: the same search over the plain source files found them ")).unwrap();
    assert!(control.split(' ').next().unwrap().parse::<u64>().unwrap() >= 3, "{control}");
}

fn text<'a>(row: &'a serde_json::Value, name: &str) -> &'a str {
    row[name].as_str().unwrap()
}

/// The header and the first rows of the demo's flights.
pub fn part(rows: usize) -> Vec<String> {
    let file = std::fs::File::open(shipped("data/flights.csv.zst")).unwrap();
    let lines = std::io::BufReader::new(zstd::stream::read::Decoder::new(file).unwrap());
    std::io::BufRead::lines(lines).take(1 + rows).map(|line| line.unwrap()).collect()
}

#[test]
fn another_file_of_flights_gives_other_counts() {
    const ROWS: usize = 20_000;
    let demo = Demo::new();
    let mut lines = part(ROWS);
    let at = |name: &str| lines[0].split(',').position(|column| column == name).unwrap();
    let (carrier, delay, distance, hour) = (at("carrier"), at("arr_delay"), at("distance"), at("time_hour"));
    // What the file holds, counted here: flights and minutes of delay by airline.
    let mut by_carrier: BTreeMap<String, (u64, u64, i64)> = BTreeMap::new();
    for line in &lines[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        let sums = by_carrier.entry(cells[carrier].to_owned()).or_default();
        sums.0 += 1;
        if let Ok(minutes) = cells[delay].parse::<i64>() {
            sums.1 += 1;
            sums.2 += minutes;
        }
    }
    // Three more that break a rule.
    for year in 1..=3 {
        let mut cells: Vec<String> = lines[1].split(',').map(str::to_owned).collect();
        cells[distance] = "7".to_owned();
        cells[hour] = format!("2013-12-31T0{year}:00:00Z");
        lines.push(cells.join(","));
    }
    let file = demo.root.path().join("january.csv");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();

    let screen = demo.run(Some(&file)).ok();
    let loaded = shown(&screen, "run").join("\n");
    assert!(
        loaded.contains("20003 read = 20000 loaded + 3 quarantined") && loaded.contains("3 rows break minimum of distance"),
        "{loaded}"
    );
    assert_eq!(demo.counts("flights"), [20_003, 20_000, 3]);
    assert_eq!(answer(&screen, "sum(flights)")[0][0], "20000");
    let by_wind: u64 = answer(&screen, "wind").iter().map(|row| row[1].parse::<u64>().unwrap()).sum();
    assert_eq!(by_wind, 20_000);
    let asked = demo.ask("select carrier, count(*), count(arr_delay), sum(arr_delay) from flights group by carrier order by carrier");
    let counted: Vec<String> =
        by_carrier.iter().map(|(carrier, (all, arrived, minutes))| format!("{carrier},{all},{arrived},{minutes}")).collect();
    assert_eq!(asked[1..], counted);
    for row in answer(&screen, "airline") {
        let carrier = &demo.ask(&format!("select carrier from airlines where name = '{}'", row[0]))[1];
        let (all, arrived, minutes) = by_carrier[carrier];
        assert_eq!(row[1..], [all.to_string(), format!("{:.1}", minutes as f64 / arrived as f64)], "{carrier}");
    }
}

#[test]
fn flights_of_another_year_come_in_and_what_is_not_known_of_them_is_counted() {
    const ROWS: usize = 2_000;
    let demo = Demo::new();
    let mut lines = part(ROWS);
    let at = |name: &str| lines[0].split(',').position(|column| column == name).unwrap();
    let (year, carrier, tailnum, hour) = (at("year"), at("carrier"), at("tailnum"), at("time_hour"));
    for (number, line) in lines[1..].iter_mut().enumerate() {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        for column in [year, hour] {
            cells[column] = format!("2011{}", cells[column].strip_prefix("2013").unwrap());
        }
        if number == 0 {
            cells[carrier] = "NK".to_owned(); // flew in other years only
        }
        *line = cells.join(",");
    }
    // A year that no one can have flown in is refused still.
    let mut cells: Vec<String> = lines[1].split(',').map(str::to_owned).collect();
    (cells[year], cells[hour]) = ("2913".to_owned(), "2913-01-01T10:00:00Z".to_owned());
    lines.push(cells.join(","));
    let file = demo.root.path().join("flights-2011.csv");
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();

    let ran = demo.run(Some(&file));
    // Progress of both loads is shown, of the one that is killed too.
    assert_eq!(ran.err.matches("load flights: ").count(), 2, "{}", ran.err);
    let screen = ran.ok();
    assert_eq!(demo.counts("flights"), [2_001, 2_000, 1]);
    assert_eq!(answer(&screen, "wind")[0][..2], ["unknown", "2000"]);
    assert_eq!(demo.ask("select sum(flights) from delays where airline = 'NK'")[1..], ["1"]);

    // Ages, worked out here from the aircraft: what was built after 2011 was not the aircraft that flew.
    let built: BTreeMap<String, i64> = demo.ask("select tailnum, year from planes where year is not null")[1..]
        .iter()
        .map(|row| row.split_once(',').unwrap())
        .map(|(tailnum, year)| (tailnum.to_owned(), year.parse().unwrap()))
        .collect();
    let mut ages: BTreeMap<&str, u64> = BTreeMap::new();
    let mut later = 0;
    for line in &lines[1..=ROWS] {
        let age = built.get(line.split(',').nth(tailnum).unwrap()).map(|built| 2011 - built);
        later += u64::from(age.is_some_and(|age| age < 0));
        *ages
            .entry(match age {
                Some(0..=4) => "0 to 4 years",
                Some(5..=9) => "5 to 9 years",
                Some(10..=19) => "10 to 19 years",
                Some(20..) => "20 years and more",
                _ => "unknown",
            })
            .or_default() += 1;
    }
    assert!(later > 0, "no aircraft tells the rule from its absence");
    let shown: BTreeMap<String, u64> =
        answer(&screen, "aircraft_age").into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
    assert_eq!(shown, ages.into_iter().map(|(age, flights)| (age.to_owned(), flights)).collect());
}

#[test]
fn a_file_that_holds_no_flights_is_refused() {
    let demo = Demo::new();
    let file = demo.root.path().join("people.csv");
    std::fs::write(&file, "id,name\n1,Ann\n").unwrap();
    let refused = demo.run(Some(&file));
    assert!(!refused.out.contains("nothing of the batch is visible"), "it was not killed, it failed: {}", refused.out);
    let err = refused.fails(3);
    assert!(err.contains("find column year in") && err.contains("its first record has 2 columns") && !err.contains("id, name"), "{err}");
    // A file that is not there stops the demo before it makes anything.
    let demo = Demo::new();
    let err = demo.run(Some(Path::new("nowhere.csv"))).fails(2);
    assert!(err.contains("nowhere.csv; check that it exists"), "{err}");
    assert!(!demo.dir().exists());
    // Nor does it write into a directory that is there already.
    std::fs::create_dir(demo.dir()).unwrap();
    let err = demo.run(None).fails(2);
    assert!(err.contains("name a new directory with --dir"), "{err}");
    assert_eq!(std::fs::read_dir(demo.dir()).unwrap().count(), 0);
}
