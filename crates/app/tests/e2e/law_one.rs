//! Law 1: nothing is stored in the clear. The same search over a plain copy finds the values, or it would prove nothing.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use polder_app::search::Search;

use crate::demo::part;
use crate::harness::{Project, ran};
use crate::plain::unsealed;
use crate::writers::Stopped;

pub const LOADED: &str = "Zwanenburgwal-Loaded-1911";
pub const REFUSED: &str = "Keizersgracht-Refused-1912";
pub const LEFT_OUT: &str = "Prinsengracht-LeftOut-1913";
pub const ASKED: &str = "Herengracht-Asked-1914";

pub fn project() -> Project {
    let project = Project::new();
    let filler: String = (10..20_000).map(|i| format!("{i},Name {i},{},x\n", i % 100)).collect();
    // The value that is left out stands beside one that is loaded, and beside one that is refused and kept.
    project.people(&format!("1,{LOADED},41,{LEFT_OUT}\n2,{REFUSED},999,{LEFT_OUT}\n{filler}"));
    project.write("models/names.sql", "-- polder: materialized = table\nselect id, name from people where id < 100\n");
    project
}

pub fn search() -> Search {
    Search::new(&[LOADED, REFUSED, LEFT_OUT, ASKED]).unwrap()
}

#[track_caller]
fn assert_clear_of_values(project: &Project) {
    let report = search().directory(&project.store()).unwrap();
    assert!(report.files > 3);
    assert_eq!(report.findings, [], "values in the clear");
}

/// The same rows as a careless program might leave them.
fn plain_copies(csv: &str, dir: &Path) {
    use arrow::array::{RecordBatch, StringArray};
    use base64::Engine;
    use parquet::basic::{Compression, ZstdLevel};
    std::fs::create_dir(dir).unwrap();
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(dir.join(name), bytes).unwrap();
    let utf16 = |encode: fn(u16) -> [u8; 2]| csv.encode_utf16().flat_map(encode).collect::<Vec<u8>>();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    let mut snappy = snap::write::FrameEncoder::new(Vec::new());
    for into in [&mut gzip as &mut dyn Write, &mut zlib, &mut snappy] {
        into.write_all(csv.as_bytes()).unwrap();
    }
    write("people.csv", csv.as_bytes().to_vec());
    write("people.csv.gz", gzip.finish().unwrap());
    write("people.csv.zlib", zlib.finish().unwrap());
    write("people.csv.sz", snappy.into_inner().unwrap());
    write("people.csv.zst", zstd::encode_all(csv.as_bytes(), 3).unwrap());
    write("people.csv.zst.gz", {
        let mut twice = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        twice.write_all(&zstd::encode_all(csv.as_bytes(), 3).unwrap()).unwrap();
        twice.finish().unwrap()
    });
    write("people.utf-16le", utf16(u16::to_le_bytes));
    write("people.utf-16be", utf16(u16::to_be_bytes));
    write("people.base64", base64::engine::general_purpose::STANDARD.encode(csv).into_bytes());
    write("people.base64url", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("x{csv}")).into_bytes());
    write("people.hex", hex::encode(csv).into_bytes());
    write("people.HEX", hex::encode_upper(csv).into_bytes());
    let column = StringArray::from_iter_values(csv.lines().collect::<Vec<_>>());
    let batch = RecordBatch::try_from_iter([("line", Arc::new(column) as _)]).unwrap();
    for (name, compression) in [("snappy", Compression::SNAPPY), ("zstd", Compression::ZSTD(ZstdLevel::default()))] {
        let properties = parquet::file::properties::WriterProperties::builder().set_compression(compression).build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        write(&format!("people.{name}.parquet"), writer.into_inner().unwrap());
    }
}

#[test]
fn the_control_finds_the_values_in_each_plain_copy() {
    let project = project();
    project.run(&["run"]).ok();
    let plain = project.beside("plain");
    plain_copies(&std::fs::read_to_string(project.dir().join("data/people.csv")).unwrap(), &plain);
    let report = search().directory(&plain).unwrap();
    assert_eq!(report.files, 14);
    for file in std::fs::read_dir(&plain).unwrap().map(|entry| entry.unwrap().path()) {
        for value in [LOADED, REFUSED, LEFT_OUT] {
            assert!(report.findings.iter().any(|found| found.path == file && found.value == value), "{value} in {}", file.display());
        }
        // A copy that lies in the store is found there, whatever it is.
        let stray = project.store().join("tables").join(file.file_name().unwrap());
        std::fs::copy(&file, &stray).unwrap();
        assert!(search().directory(&project.store()).unwrap().findings.iter().any(|found| found.path == stray));
        std::fs::remove_file(stray).unwrap();
    }
}

#[test]
fn no_value_lies_in_the_clear_after_load_refusal_query_and_audit() {
    let project = project();
    project.run(&["run"]).ok();
    assert_clear_of_values(&project);
    project.run(&["sql", &format!("select count(*) from people where name = '{ASKED}'")]).ok();
    // Each of these holds what is searched for: the table, the model, the quarantine, and the log's private values.
    for table in ["people", "names"] {
        assert_eq!(project.rows(&format!("select name from {table} where id = 1")), [LOADED]);
    }
    assert!(project.run(&["quarantine", "show", "people"]).ok().contains(REFUSED));
    let shown = project.run(&["audit", "show", "--limit", "1000"]).ok();
    assert!(shown.contains(ASKED), "{shown}");
    assert_clear_of_values(&project);
    let export = project.beside("export");
    project.run(&["audit", "export", "--to", export.to_str().unwrap()]).ok();
    assert_eq!(search().directory(&export).unwrap().findings, []);
}

#[test]
fn no_value_lies_in_the_clear_after_a_kill() {
    for point in ["lake.staged", "quarantine-after", "lake.after_intent#2", "lake.after_commit#2"] {
        let project = project();
        project.run(&["run", "--kill-at", point]).killed();
        assert_clear_of_values(&project);
    }
}

/// What the program says at its most talkative, and what a defect in the midst of a load says.
#[test]
fn nothing_of_a_left_out_column_is_said_or_kept_by_a_load() {
    let project = project();
    let mut said = String::new();
    for args in [
        &["run", "--dry-run"][..],
        &["run", "--kill-at", "batch-started:panic"],
        &["run", "--kill-at", "quarantine-before:panic"],
        &["run"],
        &["quarantine", "list"],
        &["quarantine", "show", "people"],
        &["sql", "select * from people where id < 10"],
        &["table", "show", "people"],
        &["status"],
        &["audit", "show", "--limit", "1000"],
        &["audit", "verify"],
    ] {
        let code = if args.iter().any(|arg| arg.ends_with(":panic")) { 101 } else { 0 };
        let mut command = project.command(&[args, &["-vvvv"]].concat());
        let ran = ran(command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").output().unwrap());
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        said += &format!("{}{}", ran.out, ran.err);
    }
    assert!(!said.contains(LEFT_OUT), "{said}");
    // The control: what lies beside it is told by those who may see it, and both defects and the events were told.
    assert!(said.contains(LOADED) && said.contains(REFUSED), "{said}");
    assert!(said.matches("defect: panicked at ").count() == 2 && said.contains("INFO record event="), "{said}");
    // Neither is it in any file, nor would it be in a store that seals nothing; the control is what lies beside it.
    assert_clear_of_values(&project);
    let found = search().directory(&unsealed(&project, "unsealed")).unwrap().findings;
    assert!(found.iter().all(|found| found.value != LEFT_OUT), "{found:?}");
    assert!([LOADED, REFUSED].iter().all(|value| found.iter().any(|found| found.value == *value)), "{found:?}");
}

/// A command that may leave cores as large as the hard limit lets it, in a directory.
fn with_cores(dir: &Path, command: &[&str]) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\" && exec \"$@\"", "sh"]).args(command).current_dir(dir).stdin(Stdio::null());
    shell
}

#[test]
fn a_violent_end_leaves_no_core() {
    use std::os::unix::process::ExitStatusExt;
    let project = project();
    let cores = |dir: &Path| -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned());
        names.filter(|name| name.contains("core")).collect()
    };
    // The control: what does not turn them off leaves one here, by the kernel's own word.
    let control = project.beside("control");
    std::fs::create_dir(&control).unwrap();
    let status = with_cores(&control, &["/bin/sh", "-c", "kill -SEGV $$"]).status().unwrap();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let forbidden = rustix::process::getrlimit(rustix::process::Resource::Core).maximum == Some(0) && !pattern.starts_with('|');
    assert_eq!(status.signal(), Some(11));
    assert_eq!(status.core_dumped(), !forbidden, "the control: pattern {pattern}");
    if !forbidden && !pattern.contains(['|', '/']) {
        assert_eq!(cores(&control).len(), 1, "the control: pattern {pattern}");
    }
    let program = env!("CARGO_BIN_EXE_polder");
    let status = with_cores(&project.dir(), &[program, "run", "--kill-at", "lake.staged:segv"]).status().unwrap();
    assert_eq!(status.signal(), Some(11));
    assert!(!status.core_dumped());
    assert_eq!(cores(&project.dir()), [] as [String; 0]);
    // Where the hard limit forbids every core, at least this is the program's own doing: its limits are 0, and nobody else can lift
    // them while it runs.
    let stopped = Stopped::start(&project, &["run"], "lake.staged");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", stopped.pid().as_raw_nonzero())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{line}");
    stopped.wake().ok();
}

#[test]
fn what_the_shell_remembers_is_not_written() {
    let project = project();
    project.run(&["run"]).ok();
    let home = project.beside("home");
    std::fs::create_dir(&home).unwrap();
    // The shell wants a terminal: `script` gives it one.
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} sql", env!("CARGO_BIN_EXE_polder")), "/dev/null"]).current_dir(project.dir());
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env(name, &home);
    }
    let mut shell = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start `script`, which gives the shell a terminal (package bsdutils): {error}"));
    let (mut keys, mut screen) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    let mut seen = String::new();
    let mut until = |mark: &str| {
        let mut bytes = [0u8; 4096];
        while !seen.contains(mark) {
            let read = screen.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "the shell ended before it said {mark}:\n{seen}");
            seen += &String::from_utf8_lossy(&bytes[..read]);
        }
        seen = seen.split_off(seen.find(mark).unwrap() + mark.len());
    };
    until("polder> ");
    writeln!(keys, "select count(*) as n from people where name <> '{ASKED}';").unwrap();
    until("(1 row)");
    until("polder> ");
    // It remembers: the arrow upwards asks again.
    keys.write_all(b"\x1b[A\n").unwrap();
    until(ASKED);
    until("(1 row)");
    until("polder> ");
    keys.write_all(b"\\q\n").unwrap();
    assert!(shell.wait().unwrap().success());
    let search = Search::new(&[ASKED]).unwrap();
    let places = [home.clone(), project.dir(), project.key_file().parent().unwrap().to_path_buf()];
    for place in &places {
        assert_eq!(search.directory(place).unwrap().findings, [], "{}", place.display());
    }
    // The control: a history file would have been found.
    std::fs::write(home.join(".history"), format!("select '{ASKED}';\n")).unwrap();
    assert_eq!(search.directory(&home).unwrap().findings.len(), 1);
}

pub const SPILLED: &str = "Brouwersgracht-Spilled-1915";

/// 120,000 rows with the value in each: sorting them takes more than 24 MiB.
pub fn many() -> Project {
    let project = Project::new();
    let rows: String = (0..120_000u64)
        .map(|row| row * 65_537 % 120_000)
        .map(|id| format!("{id},{SPILLED}-{id:07}-{},{},s\n", "x".repeat(20), id % 100))
        .collect();
    project.people(&rows);
    project.run(&["run"]).ok();
    project
}

pub const SORT: [&str; 5] = ["sql", "select name, id from people order by name desc, id", "--output", "csv", "--memory-mib"];
pub const JOIN: [&str; 5] = [
    "sql",
    "select a.id, a.name as x, b.name as y from people a join people b on a.id = b.id order by a.id",
    "--output",
    "csv",
    "--memory-mib",
];

/// Bytes under `store/tmp`.
fn temporary_bytes(project: &Project) -> u64 {
    std::fs::read_dir(project.store().join("tmp")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// What spills at how much memory depends on the processors, which share it: the program with arguments, on two of those that we have.
fn on_two_processors(project: &Project, args: &[&str]) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let two: Vec<String> = ours
        .split(',')
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.trim().parse::<u32>().unwrap()..=last.trim().parse().unwrap()
        })
        .take(2)
        .map(|processor| processor.to_string())
        .collect();
    let mut command = Command::new("taskset");
    command.args(["-c", &two.join(","), env!("CARGO_BIN_EXE_polder")]).args(args).current_dir(project.dir()).stdin(Stdio::null());
    command
}

#[test]
fn what_sorts_and_joins_spill_is_sealed() {
    let project = many();
    let search = Search::new(&[SPILLED]).unwrap();
    for (query, mib) in [(SORT, "24"), (JOIN, "24")] {
        let args: Vec<&str> = query.into_iter().chain([mib]).collect();
        let mut child = on_two_processors(&project, &args).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = [0u8; 4096];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        assert!(String::from_utf8_lossy(&first).contains(SPILLED));
        // It waits for us to read on, so what it spilled still lies there; killed now, it cannot tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        let spilled = temporary_bytes(&project);
        assert!(spilled > 1 << 20, "{query:?}: only {spilled} bytes were spilled");
        assert_eq!(search.directory(&project.store()).unwrap().findings, [], "{query:?}");
        // The next process clears that away; the answer is the same as with more memory.
        let tight = ran(on_two_processors(&project, &args).output().unwrap()).ok();
        assert!(temporary_bytes(&project) < 1 << 10);
        let roomy: Vec<&str> = query.into_iter().chain(["2048"]).collect();
        assert_eq!(tight.lines().count(), 120_001);
        assert!(tight == project.run(&roomy).ok(), "{query:?}: another answer with more memory");
    }
    // The control: with room, the sort spills nothing.
    let roomy: Vec<&str> = SORT.into_iter().chain(["1024"]).collect();
    let mut child = on_two_processors(&project, &roomy).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0u8; 4096]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(temporary_bytes(&project) < 1 << 20);
}

#[test]
fn every_file_of_the_store_is_of_a_listed_kind_and_opens() {
    let project = project();
    project.run(&["run"]).ok();
    project.run(&["sql", "select count(*) from names"]).ok();
    let verified: serde_json::Value = serde_json::from_str(&project.run(&["audit", "verify", "--output", "json"]).ok()).unwrap();
    assert_eq!(verified["intact"], true, "{verified}");
    assert_eq!(verified["files"], project.store_files().len());
    let tables = std::fs::read_dir(project.store().join("tables")).unwrap().next().unwrap().unwrap().path();
    let table = format!("tables/{}", tables.file_name().unwrap().to_str().unwrap());
    for stray in [
        "notes.txt",
        "tables/people.csv",
        "journal/notes",
        "keyring/old",
        "lease/mine",
        "tmp/spill.arrow",
        &table.replace("tables/", "data/"),
    ] {
        let path = project.store().join(stray);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        std::fs::write(&path, "someone else's").unwrap();
        let err = project.run(&["audit", "verify"]).fails(6);
        assert!(err.contains(&format!("{stray}: it is no")), "{stray}: {err}");
        std::fs::remove_file(&path).unwrap();
        project.run(&["audit", "verify"]).ok();
    }
    // What has the name of an object, and was not sealed, does not open.
    let stray = format!("{table}/part-00000000000000000000000000000000.parquet");
    std::fs::write(project.store().join(&stray), "someone else's").unwrap();
    let err = project.run(&["audit", "verify"]).fails(6);
    assert!(err.contains(&format!("  {stray}: ")), "{err}");
}

/// What may change a file or make one. A question mark: not every processor has it.
const CALLS: &str =
    "trace=?open,openat,?openat2,?creat,truncate,?rename,?renameat,renameat2,?link,linkat,?symlink,symlinkat,?mkdir,mkdirat,?mknod,mknodat";

/// Runs the program under strace: each path that it opened for writing, made, or gave a name.
fn written(project: &Project, name: &str, args: &[&str]) -> BTreeSet<PathBuf> {
    let traces = project.beside(name);
    std::fs::create_dir(&traces).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("strace")
    } else {
        // The program lets no other process read its memory, paths among it, but for the root of its name space: both are that here.
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "strace"]);
        command
    };
    command.args(["-ff", "-y", "-s", "4096", "-e", CALLS, "-o"]).arg(traces.join("of")).arg("--").arg(env!("CARGO_BIN_EXE_polder"));
    command.args(args).current_dir(project.dir()).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("start strace; `cargo xtask test` installs it: {error}"));
    ran(output).ok();
    let mut paths = BTreeSet::new();
    for trace in std::fs::read_dir(&traces).unwrap() {
        let text = std::fs::read_to_string(trace.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("---") && !line.starts_with("+++")) {
            let (call, rest) = line.split_once('(').unwrap_or_else(|| panic!("strace wrote: {line}"));
            let arguments = rest.rsplit_once(" = ").map_or(rest, |(arguments, _)| arguments);
            assert!(arguments.contains('"'), "strace could not read the program's memory: {line}");
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"].iter().any(|flag| arguments.contains(flag));
            if call.starts_with("open") && !writes {
                continue;
            }
            // `4</dir>, "name"`: a name is below the directory that stands before it. Every other part of a split at quotes is a name.
            let parts: Vec<&str> = arguments.split('"').collect();
            for pair in parts.chunks_exact(2) {
                let base = pair[0].rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(base, _)| PathBuf::from(base));
                paths.insert(base.unwrap_or_else(|| project.dir()).join(pair[1]));
            }
        }
    }
    paths
}

/// The paths that lie in none of these places, by their beginning.
fn outside(paths: &BTreeSet<PathBuf>, places: &[PathBuf]) -> Vec<PathBuf> {
    let known = |path: &Path| {
        let text = path.to_string_lossy();
        text.starts_with("/dev/")
            || text.starts_with("/proc/self/")
            || places.iter().any(|place| text.starts_with(&*place.to_string_lossy()))
    };
    paths.iter().filter(|path| !known(path)).cloned().collect()
}

#[test]
fn nothing_is_written_outside_the_store() {
    let project = Project::anchored();
    let filler: String = (10..20_000).map(|i| format!("{i},Name {i},{},x\n", i % 100)).collect();
    project.people(&format!("2,{REFUSED},999,s\n{filler}"));
    project.write("models/names.sql", "-- polder: materialized = table\nselect id, name from people\n");
    let settings = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
    project.write("polder.yaml", settings.replace("owners: [", "owners: [\"user:root\", "));
    let real = std::fs::canonicalize(project.store()).unwrap();
    // The anchor is written beside itself and renamed, and so are the root key's file and an approval.
    let store = [real.clone(), project.store(), project.beside("anchor")];
    let sort: Vec<&str> =
        ["sql", "select a.name, b.name from people a join people b on a.age = b.age order by a.name, b.name limit 5"].into();
    let trace = |name: &str, args: &[&str], elsewhere: &[PathBuf]| {
        let paths = written(&project, name, args);
        assert!(paths.iter().filter(|path| path.starts_with(&real)).count() >= 3, "{name}: {paths:?}");
        let places: Vec<PathBuf> = store.iter().chain(elsewhere).cloned().collect();
        assert_eq!(outside(&paths, &places), [] as [PathBuf; 0], "polder {}", args.join(" "));
        paths
    };
    trace("run", &["run"], &[]);
    trace("ask", &sort, &[]);
    trace("build", &["model", "run"], &[]);
    trace("show", &["quarantine", "show", "people"], &[]);
    trace("propose", &["contract", "propose", "files"], &[]);
    let page = project.beside("page");
    std::fs::create_dir(&page).unwrap();
    let html = page.join("people.html");
    trace("profile", &["contract", "profile", "people", "--html", html.to_str().unwrap()], std::slice::from_ref(&page));
    project.write("data/people-2.csv", "id,name,age,secret\n30000,Name,1,x\n");
    trace("append", &["run"], &[]);
    trace("optimize", &["table", "optimize", "people"], &[]);
    trace("vacuum", &["table", "vacuum", "people", "--keep-hours", "0"], &[]);
    project.admit_ages(1_000);
    let approval = project.dir().join("contracts/people.odcs.approval");
    assert!(trace("approve", &["contract", "approve", "people", "--yes"], std::slice::from_ref(&approval)).contains(&approval));
    trace("replay", &["quarantine", "replay", "people"], &[]);
    trace("rotate", &["keys", "rotate", "--table", "people"], &[]);
    trace("reencrypt", &["keys", "reencrypt"], &[]);
    // A new root key takes the place of the old one, beside it.
    let key = project.key_file();
    trace("rotate-root", &["keys", "rotate"], &[key.clone(), key.with_extension("")]);
    let evidence = project.beside("evidence");
    let exported = written(&project, "export", &["audit", "export", "--to", evidence.to_str().unwrap()]);
    let places: Vec<PathBuf> = store.iter().cloned().chain([evidence.clone()]).collect();
    assert_eq!(outside(&exported, &places), [] as [PathBuf; 0]);
    assert_eq!(search().directory(&evidence).unwrap().findings, []);
    trace("drop", &["table", "drop", "people", "--yes"], &[]);
    // The control: what is written elsewhere is seen.
    assert!(outside(&exported, &store).iter().any(|path| *path == evidence.join("checkpoint")), "{exported:?}");
    assert_eq!(search().directory(&project.store()).unwrap().findings, []);
}

/// What sorts and joins spill goes to the store's own temporary files, and to no directory of the system's.
#[test]
fn what_is_spilled_is_written_in_the_store_alone() {
    let project = many();
    let real = std::fs::canonicalize(project.store()).unwrap();
    for (name, query) in [("sort", SORT), ("join", JOIN)] {
        let args: Vec<&str> = query.into_iter().chain(["24"]).collect();
        let paths = written(&project, name, &args);
        assert_eq!(outside(&paths, &[project.store(), real.clone()]), [] as [PathBuf; 0], "{name}");
        // The control: it did spill.
        let spilled = paths.iter().filter(|path| path.starts_with(real.join("tmp"))).count();
        assert!(spilled > 4, "{name}: {spilled} temporary files");
    }
}

#[test]
fn init_and_demo_write_in_their_own_places() {
    let project = Project::new();
    let (made, keys) = (project.beside("made"), project.beside("keys"));
    let key = keys.join("root.key");
    let (dir, key_file) = (made.display().to_string(), key.display().to_string());
    let paths = written(&project, "init", &["init", &dir, "--key-file", &key_file]);
    assert_eq!(outside(&paths, &[made.clone(), keys.clone()]), [] as [PathBuf; 0]);
    assert!(paths.contains(&key), "{paths:?}");
    let store = made.join("store");
    let own = paths.iter().filter(|path| path.starts_with(&made) && !path.starts_with(&store) && path.is_file());
    let own: BTreeSet<String> = own.map(|path| path.strip_prefix(&made).unwrap().display().to_string()).collect();
    let schemas = [
        "contract.schema.json",
        "layout.schema.json",
        "pipeline.schema.json",
        "polder.cedarschema",
        "policy-test.schema.json",
        "project.schema.json",
        "source.schema.json",
    ];
    let schemas = schemas.map(|file| format!(".polder/schemas/{file}"));
    let files = [".gitignore", "policies/models.cedar", "policies/owners.cedar", "polder.yaml"].map(str::to_owned);
    assert_eq!(own, files.into_iter().chain(schemas).collect());

    // Fewer flights than the demo ships: a traced process is slow.
    let file = project.beside("some.csv");
    std::fs::write(&file, part(2_000).join("\n") + "\n").unwrap();
    let demo = project.beside("demo");
    let args = ["demo", "--dir", demo.to_str().unwrap(), "--flights", file.to_str().unwrap()];
    let paths = written(&project, "demo-trace", &args);
    assert_eq!(outside(&paths, std::slice::from_ref(&demo)), [] as [PathBuf; 0]);
    assert!(paths.iter().filter(|path| path.starts_with(demo.join("project/store"))).count() > 50, "{}", paths.len());
}
