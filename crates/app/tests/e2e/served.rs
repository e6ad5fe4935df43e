//! A clinic whose tables are served: its accounts, its policies, and `polder serve` as a process. Nothing here waits for a time: what the
//! process prints says when to go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Project, Ran, ran};
use crate::servers::running::program;

/// Someone with an account and a password.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub name: &'static str,
    pub password: &'static str,
}

/// Sees the rows of the north: of patients the end of their names, of birth dates the year, no notes.
pub const ANN: Person = Person { name: "ann", password: "ann-keeps-the-north-1" };
/// Sees the rows of the south: names as they are, notes redacted, neither birth dates nor amounts.
pub const BEN: Person = Person { name: "ben", password: "ben-keeps-the-south-2" };
/// Sees all of everything.
pub const CLEO: Person = Person { name: "cleo", password: "cleo-reads-everything-7" };
/// A service; it has tokens alone, and sees all visits.
pub const LOADER: &str = "loader";

/// The memory that answers share, which [`BIG`] would not fit into.
pub const MEMORY_MIB: u64 = 64;
pub const MEMORY_BYTES: u64 = MEMORY_MIB << 20;
/// Of `samples` with itself: 163,840 rows with 512 bytes of text each, 80 MiB.
pub const BIG: &str = "select a.id as l, b.id as r, a.label || b.label as label from samples a cross join samples b where b.id <= 256";
/// Nobody waits for its end: 262 million rows.
pub const ENDLESS: &str = "select a.label from samples a cross join samples b cross join samples c";

/// As the file holds them, but for the cells' quotes.
pub static VISITS: [[Option<&str>; 9]; 6] = [
    [
        Some("1"),
        Some("Ada Lovelace"),
        Some("north"),
        Some("1985-05-17"),
        Some("120.50"),
        Some("2026-01-02T08:30:00Z"),
        Some("true"),
        Some("61.5"),
        Some("said \"well\", then left"),
    ],
    [
        Some("2"),
        Some("Grace Hopper"),
        Some("south"),
        Some("1991-12-24"),
        Some("80.00"),
        Some("2026-01-03T09:00:00.123456Z"),
        Some("false"),
        Some("70.25"),
        Some("ça va, naïve 🌷"),
    ],
    [
        Some("3"),
        Some("Alan Turing"),
        Some("north"),
        Some("1970-01-30"),
        Some("-5.25"),
        Some("1999-12-31T23:59:59.999999Z"),
        Some("false"),
        Some("1e300"),
        None,
    ],
    [Some("4"), Some("Edsger Dijkstra"), Some("south"), None, Some("9999999999.99"), None, None, None, Some("it's; -- no comment")],
    [
        Some("5"),
        Some("Barbara Liskov"),
        Some("north"),
        Some("1962-02-28"),
        Some("0.01"),
        Some("2026-01-05T00:00:00Z"),
        Some("true"),
        Some("-0.1"),
        Some("back\\slash, 100%"),
    ],
    [
        Some("6"),
        Some("Émilie du Châtelet"),
        Some("south"),
        Some("1906-12-17"),
        Some("33.10"),
        Some("2026-01-06T12:00:00Z"),
        Some("true"),
        Some("0"),
        Some(""),
    ],
];

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a41
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: visits
    physicalName: visits
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: patient, physicalName: patient, logicalType: string, required: true, classification: personal, customProperties: [{property: polder.personal, value: [person_name]}]}
      - {name: region, physicalName: region, logicalType: string, required: true}
      - {name: born, physicalName: born, logicalType: date, classification: personal}
      - {name: amount, physicalName: amount, logicalType: number, physicalType: "decimal(12,2)"}
      - {name: seen, physicalName: seen, logicalType: timestamp}
      - {name: urgent, physicalName: urgent, logicalType: boolean}
      - {name: weight, physicalName: weight, logicalType: number}
      - {name: note, physicalName: note, logicalType: string}
"#;

const SAMPLES: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a42
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: clinic}
schema:
  - name: samples
    physicalName: samples
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {format: i64}}
      - {name: label, physicalName: label, logicalType: string, required: true}
"#;

/// Where the policies on visits stand.
pub const POLICY_FILE: &str = "policies/visits.cedar";

pub const POLICIES: &str = r#"@id("north-sees-the-north")
permit (principal in Group::"north", action == Action::"ReadRow", resource is Row::visits)
when { resource.region == "north" };

@id("north-reads")
permit (principal in Group::"north", action == Action::"ReadColumn", resource in Table::"visits")
when { ["id", "region", "amount", "seen", "urgent", "weight"].contains(resource.name) };

@id("north-sees-the-end-of-names")
@mask("last4")
permit (principal in Group::"north", action == Action::"ReadMasked", resource == Column::"visits.patient");

@id("north-sees-years")
@mask("year")
permit (principal in Group::"north", action == Action::"ReadMasked", resource == Column::"visits.born");

@id("south-sees-the-south")
permit (principal in Group::"south", action == Action::"ReadRow", resource is Row::visits)
when { resource.region == "south" };

@id("south-reads")
permit (principal in Group::"south", action == Action::"ReadColumn", resource in Table::"visits")
when { ["id", "patient", "region", "seen"].contains(resource.name) };

@id("south-sees-no-notes")
@mask("redact")
permit (principal in Group::"south", action == Action::"ReadMasked", resource == Column::"visits.note");

@id("loader-reads-visits")
permit (principal == Service::"loader", action == Action::"Read", resource == Table::"visits");

@id("analysts-read")
permit (principal in Group::"analysts", action == Action::"Read", resource);
"#;

/// The project, before anyone serves it.
pub struct Clinic {
    pub project: Project,
    /// The service's token, for every wire.
    pub token: String,
}

/// `polder serve` on a clinic.
pub struct Served {
    /// None once it was waited for.
    child: Option<Child>,
    /// What it says on standard error, read as it comes.
    said: Arc<Mutex<String>>,
    /// It said something more.
    news: Arc<Condvar>,
    reader: Option<JoinHandle<()>>,
    out: BufReader<ChildStdout>,
    ports: Value,
    ca: PathBuf,
}

impl Clinic {
    /// Two tables, loaded; two people who see part of one, one who sees all, and a service.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with more keys of the environment, each a line.
    pub fn with(settings: &str) -> Self {
        let project = Project::new();
        let visits: String = VISITS.iter().map(line).collect();
        project.write("data/visits.csv", format!("id,patient,region,born,amount,seen,urgent,weight,note\n{visits}"));
        let samples: String = (1..=640).map(|id| format!("{id},{}\n", label(id))).collect();
        project.write("data/samples.csv", format!("id,label\n{samples}"));
        let source = "type: csv\npath: data\ndatasets:\n  visits: {file: visits.csv}\n  samples: {file: samples.csv}\n";
        project.write("sources/clinic.yaml", source);
        project.write("contracts/visits.odcs.yaml", CONTRACT);
        project.write("contracts/samples.odcs.yaml", SAMPLES);
        project.write(POLICY_FILE, POLICIES);
        let polder = std::fs::read_to_string(project.dir().join("polder.yaml")).unwrap();
        let listeners = "    listeners: {postgres: \"127.0.0.1:0\", flight: \"127.0.0.1:0\", rest: \"127.0.0.1:0\"}\n";
        let limits = format!("    limits: {{memory_mib: {MEMORY_MIB}}}\n");
        project.write("polder.yaml", format!("{polder}{listeners}{limits}{settings}"));
        project.run(&["contract", "approve", "--all", "--yes"]).ok();
        project.run(&["run"]).ok();
        for (person, group) in [(ANN, "north"), (BEN, "south"), (CLEO, "analysts")] {
            project.run(&["group", "add", group]).ok();
            let file = secret(&project, person.name, person.password);
            project.run(&["user", "add", person.name, "--group", group, "--password-file", &file]).ok();
        }
        project.run(&["service", "add", LOADER]).ok();
        let token = project.run(&["token", "create", LOADER]).ok().trim().to_owned();
        Self { project, token }
    }

    /// Serves it, and comes back when it is ready.
    pub fn serve(&self) -> Served {
        serve_in(&self.project)
    }

    /// What the log holds of a type, oldest first.
    #[track_caller]
    pub fn log(&self, kind: &str) -> Vec<Value> {
        let shown = self.project.json(&["audit", "show", "--type", kind, "--limit", "1000"]);
        let mut entries = shown.as_array().unwrap().clone();
        entries.sort_by_key(|entry| entry["index"].as_u64());
        entries
    }

    /// What the log holds of a type by someone.
    #[track_caller]
    pub fn log_of(&self, kind: &str, actor: &str) -> Vec<Value> {
        self.log(kind).into_iter().filter(|entry| entry["actor"] == actor).collect()
    }
}

/// Serves a project, and comes back when it is ready.
pub fn serve_in(project: &Project) -> Served {
    serve_with(project, &[])
}

/// The same with more on its command line.
pub fn serve_with(project: &Project, more: &[&str]) -> Served {
    let ca = project.beside("ca.pem");
    if !ca.exists() {
        project.run(&["cert", "trust", "--out", &ca.display().to_string()]).ok();
    }
    // It ends with this test, even when that is killed.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_polder"), "serve", "--output", "json"]).args(more);
    command.current_dir(project.dir()).env_remove("RUST_BACKTRACE");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let err = BufReader::new(child.stderr.take().unwrap());
    let said = Arc::new(Mutex::new(String::new()));
    let news = Arc::new(Condvar::new());
    let (heard, tell) = (Arc::clone(&said), Arc::clone(&news));
    let reader = std::thread::spawn(move || {
        for line in err.lines() {
            *heard.lock() += &(line.unwrap() + "\n");
            tell.notify_all();
        }
    });
    let mut ready = String::new();
    out.read_line(&mut ready).unwrap();
    let mut served = Served { child: Some(child), said, news, reader: Some(reader), out, ports: Value::Null, ca };
    if ready.is_empty() {
        let (code, said) = served.ended();
        panic!("it does not serve, and ends with {code:?}:\n{said}");
    }
    let ready: Value = serde_json::from_str(&ready).unwrap();
    served.ports = ready["listening"].clone();
    served
}

/// A line of the file. Only a text is written in quotes, which make it a value whatever it holds.
fn line(row: &[Option<&str>; 9]) -> String {
    let cell = |place: usize| match row[place] {
        Some(text) if [1, 2, 8].contains(&place) => format!("\"{}\"", text.replace('"', "\"\"")),
        other => other.unwrap_or_default().to_owned(),
    };
    (0..row.len()).map(cell).collect::<Vec<_>>().join(",") + "\n"
}

/// The label of a sample: 256 bytes that tell its number.
fn label(id: u32) -> String {
    let begin = format!("sample {id} ");
    let filler = "abcdefghij".repeat(26);
    let rest = 256 - begin.len();
    begin + &filler[..rest]
}

/// A file that only its owner may read, beside the project.
pub fn secret(project: &Project, name: &str, text: &str) -> String {
    let path = project.beside(&format!("{name}.secret"));
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    path.display().to_string()
}

impl Served {
    /// Where a wire is listened on: `postgres`, `flight` or `rest`.
    pub fn port(&self, wire: &str) -> u16 {
        let address = self.ports[wire].as_str().unwrap_or_else(|| panic!("nothing listens for {wire}: {}", self.ports));
        address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// What libpq connects with, the password aside.
    pub fn conninfo(&self, name: &str) -> String {
        let ca = self.ca.display();
        format!("host=localhost port={} dbname=polder user={name} sslmode=verify-full sslrootcert={ca}", self.port("postgres"))
    }

    /// psql as someone, with nothing of this machine's settings: rows as `a|b`, and `<null>`.
    pub fn psql_with(&self, conninfo: &str, password: &str) -> Command {
        let mut psql = Command::new(program("psql"));
        psql.env_clear().env("PGPASSWORD", password).env("HOME", "/nonexistent").stdin(Stdio::null());
        psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", "--pset=null=<null>", "--dbname", conninfo]);
        psql
    }

    /// The same with the name and password of an account.
    pub fn psql(&self, who: Person) -> Command {
        self.psql_with(&self.conninfo(who.name), who.password)
    }

    /// What psql prints for a question.
    #[track_caller]
    pub fn rows(&self, who: Person, sql: &str) -> Vec<String> {
        let out = self.asked(who, sql).ok();
        out.lines().map(str::to_owned).collect()
    }

    /// What becomes of a question, asked through psql.
    pub fn asked(&self, who: Person, sql: &str) -> Ran {
        ran(self.psql(who).args(["--command", sql]).output().unwrap())
    }

    /// curl, which trusts the authority alone, with a path and what else it is told.
    pub fn curl(&self, path: &str, more: &[&str]) -> Ran {
        let mut curl = Command::new("curl");
        curl.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        curl.args(["--disable", "--silent", "--show-error", "--tlsv1.3", "--cacert"]).arg(&self.ca).args(more);
        ran(curl.arg(format!("https://localhost:{}{path}", self.port("rest"))).output().unwrap())
    }

    /// The same with a question as JSON, and the answer as CSV without its header.
    pub fn posted(&self, authorization: &[&str], sql: &str) -> Ran {
        let body = serde_json::json!({ "sql": sql }).to_string();
        let args =
            ["--fail-with-body", "--header", "Content-Type: application/json", "--header", "Accept: text/csv", "--data-binary", &body];
        let args: Vec<&str> = authorization.iter().chain(&args).copied().collect();
        self.curl("/v1/query", &args)
    }

    /// Waits until it has said a text so many times.
    #[track_caller]
    pub fn says(&self, text: &str, times: usize) {
        let mut said = self.said.lock();
        while said.matches(text).count() < times {
            let silent = self.news.wait_for(&mut said, Duration::from_secs(120)).timed_out();
            assert!(!silent, "it has not said `{text}` {times} times:\n{}", *said);
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().clone()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The most memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
    }

    /// Waits for its end; the exit code, none where a signal ended it, and all that it said.
    pub fn ended(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line stands on standard output");
        let _ = self.reader.take().map(JoinHandle::join);
        let code = self.child.take().unwrap().wait().unwrap().code();
        (code, self.said())
    }

    /// Tells it to end, as systemd does, and sees to it that it ends well.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let (code, said) = self.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.ended().0, None);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        let _ = child.wait();
        // Seen where a test fails.
        eprintln!("{}", self.said());
    }
}
