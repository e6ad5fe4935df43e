//! The README and the guides are walked word for word: every command is run by a shell, in order, over the files that they show.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Ran, ran};
use crate::servers::home::processes_in;
use crate::servers::judge;

/// A fenced block of a Markdown file.
struct Block {
    /// What stands behind the fence, such as `yaml file=sources/files.yaml`.
    info: String,
    text: String,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn blocks(path: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(repository(path)).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{path}: a fence is not closed");
    blocks
}

/// A reader with an empty directory and a home of their own, who types what stands there.
struct Reader {
    root: tempfile::TempDir,
    at: PathBuf,
    /// Where a Python lies that has what the guide's scripts ask for.
    python: Option<PathBuf>,
}

impl Reader {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        let at = root.path().join("work");
        std::fs::create_dir(&at).unwrap();
        Self { root, at, python: None }
    }

    /// One who has the clients of other makers.
    fn with_clients() -> Self {
        let mut reader = Self::new();
        reader.python = Some(judge("POLDER_JUDGE_CLIENTS_PYTHON").parent().unwrap().to_owned());
        reader
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Types a line; `cd` lasts.
    fn types(&mut self, line: &str) -> Ran {
        let programs = Path::new(env!("CARGO_BIN_EXE_polder")).parent().unwrap();
        let home = self.root.path().join("home");
        let here = self.root.path().join("here");
        let folders = [Some(programs), self.python.as_deref(), Some(Path::new("/usr/bin")), Some(Path::new("/bin"))];
        let path = std::env::join_paths(folders.into_iter().flatten()).unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("{line}\ncode=$?; pwd > '{}'; exit $code", here.display())])
            .current_dir(&self.at)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        self.at = PathBuf::from(std::fs::read_to_string(here).unwrap().trim_end());
        ran(output)
    }

    /// Types a line and compares the exit code with the one that stands behind it: `# exit 3`, or nothing for 0.
    #[track_caller]
    fn follows(&mut self, line: &str) -> Ran {
        let wanted = line.split_once(" # exit ").map_or(0, |(_, code)| code.trim().parse().unwrap());
        let mut ran = self.types(line);
        if line == "polder doctor" && ran.out.lines().filter(|line| line.starts_with("RED")).all(|line| line.starts_with("RED  swap ")) {
            // Whether this machine swaps in the clear is its owner's affair.
            ran.code = Some(0);
        }
        assert_eq!(ran.code, Some(wanted), "{line}\nstdout:\n{}\nstderr:\n{}", ran.out, ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    /// Walks a guide: writes the files that it shows and types its commands, in the order in which they stand.
    fn walks(&mut self, guide: &str) -> Vec<(String, Ran)> {
        self.walks_through(guide, blocks(guide))
    }

    fn walks_through(&mut self, guide: &str, blocks: Vec<Block>) -> Vec<(String, Ran)> {
        let mut typed = Vec::new();
        for block in blocks {
            if let Some((_, path)) = block.info.split_once(" file=") {
                self.write(path, &block.text);
                continue;
            }
            // What a command prints, with ids that are others each time.
            if block.info == "text" {
                continue;
            }
            assert_eq!(block.info, "console", "{guide}: a block that is neither a file nor commands:\n{}", block.text);
            for line in block.text.lines() {
                let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{guide}: this is no command: {line}"));
                typed.push((command.to_owned(), self.follows(command)));
            }
        }
        assert!(!typed.is_empty(), "{guide} holds no commands");
        typed
    }
}

impl Drop for Reader {
    /// What a guide left running ends with it, for instance where one of its steps failed.
    fn drop(&mut self) {
        for process in processes_in(self.root.path()) {
            let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
        }
    }
}

/// What the guide to serving says of who saw what.
fn three_truths(typed: &[(String, Ran)]) {
    let out = |begin: &str| typed.iter().filter(|(line, _)| line.starts_with(begin)).map(|(_, ran)| ran.out.as_str()).collect::<Vec<_>>();
    let ann = "id,patient,region,born,amount\n1,***lace,north,1985-01-01,120.50\n3,***ring,north,1970-01-01,45.25\n5,***skov,north,1962-01-01,99.90\n";
    assert_eq!(out("PGPASSWORD=$(cat ../ann.password) psql"), [ann, "found\n0\n"]);
    // Whatever ends its lines.
    assert_eq!(out("curl").iter().map(|csv| csv.replace("\r\n", "\n")).collect::<Vec<_>>(), [ann]);
    let ben = "2,Grace Hopper,south,1991-01-01\n4,Edsger Dijkstra,south,1930-01-01\n";
    let all = "1,Ada Lovelace,north,1985-05-17,120.50\n2,Grace Hopper,south,1991-12-24,80.00\n3,Alan Turing,north,1970-01-30,45.25\n\
               4,Edsger Dijkstra,south,1930-05-11,310.00\n5,Barbara Liskov,north,1962-02-28,99.90\n";
    assert_eq!(out("python3 seen.py"), [format!("{ben}id,patient,region,born\n{ben}id,patient,region,born,amount\n{all}")]);
    let decided: Value = serde_json::from_str(out("polder audit show --type read_decided")[0]).unwrap();
    let finished: Value = serde_json::from_str(out("polder audit show --type read_finished")[0]).unwrap();
    for (actor, policy, rows) in
        [("user:ann", "north-sees-the-north", 3), ("user:ben", "south-sees-the-south", 2), ("service:loader", "loader-reads-visits", 5)]
    {
        let requests = decided
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["actor"] == actor && entry["details"]["policies"].as_array().unwrap().contains(&Value::from(policy)));
        let answered = |request: &Value| {
            let mut outcomes = finished.as_array().unwrap().iter().map(|entry| &entry["details"]);
            outcomes.any(|outcome| outcome["request"] == *request && outcome["rows"] == rows && outcome["complete"] == true)
        };
        let requests: Vec<&Value> = requests.map(|entry| &entry["details"]["request"]).collect();
        assert!(requests.iter().any(|request| answered(request)), "{actor}: {decided:#} {finished:#}");
    }
}

#[test]
fn the_tour_can_be_walked() {
    let mut reader = Reader::new();
    let typed = reader.walks("docs/guide/tour.md");
    let said = |begin: &str| {
        let (_, ran) = typed.iter().find(|(line, _)| line.starts_with(begin)).unwrap_or_else(|| panic!("the tour has no `{begin}`"));
        ran
    };
    // What the tour says of what it shows.
    assert_eq!(said("polder sql \"select customer").out, "customer,orders,amount\nnorth,1,12.50\nsouth,2,7.25\n");
    assert!(said("polder run").out.contains("4 read = 3 loaded + 1 quarantined"), "{}", said("polder run").out);
    let refused: Vec<&str> = said("polder quarantine list").out.lines().collect();
    assert!(refused.len() == 2 && refused[1].starts_with("orders ") && refused[1].contains(" day "), "{refused:?}");
    let iban = said("polder sql \"select iban");
    assert!(iban.err.contains("iban") && iban.out.is_empty(), "{}", iban.err);
    assert!(said("polder audit verify").out.contains("all is as it was recorded"));
    // The key lies where the tour says, and not in the project.
    assert!(reader.root.path().join("work/shop.key").is_file());
    assert!(reader.root.path().join("work/evidence/checkpoint").is_file());
}

#[test]
fn each_guide_can_be_walked() {
    let mut guides: Vec<String> = std::fs::read_dir(repository("docs/guide"))
        .unwrap()
        .map(|entry| format!("docs/guide/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|guide| guide != "docs/guide/tour.md")
        .collect();
    guides.sort();
    assert!(guides.len() >= 3, "{guides:?}");
    for guide in guides {
        let mut reader = if guide.ends_with("serving.md") { Reader::with_clients() } else { Reader::new() };
        let typed = reader.walks(&guide);
        if guide.ends_with("serving.md") {
            three_truths(&typed);
        }
        if guide.ends_with("contracts.md") {
            let (_, counted) = typed.iter().find(|(line, _)| line.contains("count(*) as people")).unwrap();
            assert_eq!(counted.out, "people\n2\n");
            // What refers to nothing is not there.
            let (_, sales) = typed.iter().find(|(line, _)| line.contains("count(*) as sales")).unwrap();
            assert_eq!(sales.out, "sales\n2\n");
        }
        if guide.ends_with("policies.md") {
            let asked = typed.iter().filter(|(line, _)| line.starts_with("polder sql \"select * from patients"));
            let answers: Vec<&str> = asked.map(|(_, ran)| ran.out.as_str()).collect();
            let nurse = "id,name,birth_date,ssn,ward\n1,Ada,1985-01-01,***0815,north\n3,Alan,1970-01-01,***0817,north\n";
            assert_eq!(answers, [nurse, "", "id,ssn\n1,K47110815\n2,K47110816\n3,K47110817\n"]);
            let said = |begin: &str| typed.iter().filter(|(line, _)| line.starts_with(begin)).map(|(_, ran)| &ran.out).collect::<Vec<_>>();
            assert!(
                said("polder policy diff")[0].contains("group:nurses: rows: rows where \"ward\" LIKE '%th', was rows where"),
                "{guide}"
            );
            assert_eq!(said("polder policy test")[0], "4 cases: 4 as expected, 0 not\n");
            assert!(said("polder policy test")[1].contains("line 9, row 2: expected hidden, got visible"), "{guide}");
        }
        if guide.ends_with("files.md") {
            let (_, answered) = typed.iter().find(|(line, _)| line.contains("select ward")).unwrap();
            assert_eq!(answered.out, "ward,visits,beds\nnorth,47,30\nsouth,17,24\n");
        }
    }
}

#[test]
fn the_readme_can_be_followed() {
    let mut shown = blocks("README.md");
    // The first blocks stand for themselves: what they start is tested elsewhere, that they start it here.
    let first: Vec<String> = shown.drain(..2).map(|block| format!("{}: {}", block.info, block.text)).collect();
    assert_eq!(
        first,
        [": cargo run --release --bin polder -- demo\ncargo xtask test\n", ": install -D target/release/polder ~/.cargo/bin/polder\n"]
    );
    let aliases = std::fs::read_to_string(repository(".cargo/config.toml")).unwrap();
    assert!(aliases.contains("xtask = \"run "), "{aliases}");
    let package = std::fs::read_to_string(repository("crates/app/Cargo.toml")).unwrap();
    assert!(package.contains("name = \"polder\"") && repository("Cargo.lock").is_file(), "{package}");
    let mut reader = Reader::new();
    reader.types("polder demo --help").ok();
    // The rest is typed as it stands, and nothing else.
    let typed = reader.walks_through("README.md", shown);
    assert!(typed.len() >= 8);
    let out = |begin: &str| &typed.iter().find(|(line, _)| line.starts_with(begin)).unwrap().1.out;
    assert!(out("polder run").contains("4 read = 3 loaded + 1 quarantined"), "{}", out("polder run"));
    assert!(out("polder run").contains("no contract authorises them: iban"), "{}", out("polder run"));
    assert!(out("polder quarantine show").contains("2026-02-30"), "{}", out("polder quarantine show"));
    assert!(out("polder sql").contains("(1 row)") && out("polder sql").lines().any(|line| line.trim() == "3"), "{}", out("polder sql"));
    assert!(out("polder audit verify").contains("all is as it was recorded"));
}

#[test]
fn the_files_that_the_readme_names_are_there() {
    for page in
        ["README.md", "docs/guide/tour.md", "docs/guide/contracts.md", "docs/guide/keys.md", "docs/guide/audit.md", "docs/guide/serving.md"]
    {
        let text = std::fs::read_to_string(repository(page)).unwrap();
        let links: Vec<&str> = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
        assert!(page != "README.md" || links.len() >= 8, "{links:?}");
        for link in links.iter().filter(|link| !link.starts_with("http")) {
            let target = repository(page).parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{page} names {link}, which is not there");
        }
    }
}
