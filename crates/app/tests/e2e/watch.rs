//! `polder run --watch`, as a process into whose directory files are put while it runs. Nothing here waits for a time: what the process
//! prints says when to go on.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use polder_types::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PEOPLE_CONTRACT, Project};

/// A watching process and what it prints.
pub struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<std::process::ChildStderr>,
}

impl Watch {
    pub fn start(project: &Project, more: &[&str]) -> Self {
        let args: Vec<&str> = ["run", "--watch", "1"].into_iter().chain(more.iter().copied()).collect();
        let mut child = project.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
        let mut watch = Self { child, out, err };
        let line = watch.told(|line| line.contains("watching"));
        assert!(line.contains("looking again every 1 s"), "{line}");
        watch
    }

    /// Reads standard output up to a line that holds a text.
    pub fn printed(&mut self, text: &str) {
        read_up_to(&mut self.out, |line| line.contains(text));
    }

    /// The same on standard error.
    fn told(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        read_up_to(&mut self.err, wanted)
    }

    /// Ends it by a signal; its exit code.
    pub fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

fn read_up_to(from: &mut impl BufRead, wanted: impl Fn(&str) -> bool) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(from.read_line(&mut line).unwrap() > 0, "it ended after printing:\n{all}");
        if wanted(&line) {
            return line;
        }
        all += &line;
    }
}

/// Who goes on writing to a file: its time is that of this moment again and again, until this is dropped.
struct Busy {
    done: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Busy {
    fn start(path: PathBuf) -> Self {
        let (done, asked) = channel();
        let touch = move || {
            let ms = u64::try_from(SystemClock.now_ms()).unwrap();
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_millis(ms)).unwrap();
        };
        touch();
        let writer = std::thread::spawn(move || {
            while asked.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                touch();
            }
        });
        Self { done: Some(done), writer: Some(writer) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.done.take());
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// A file that was written long ago.
fn old(project: &Project, path: &str, text: &str) {
    project.write(path, text);
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().append(true).open(project.dir().join(path)).unwrap().set_modified(time).unwrap();
}

fn people(from: u64, to: u64) -> String {
    let rows: String = (from..to).map(|id| format!("{id},Name{id},{},s\n", id % 90)).collect();
    format!("id,name,age,secret\n{rows}")
}

#[test]
fn files_that_come_while_it_watches_are_loaded_once_each() {
    let project = Project::new();
    project.people(&people(0, 10).replace("id,name,age,secret\n", ""));
    let mut watch = Watch::start(&project, &[]);
    watch.printed("10 read = 10 loaded");
    project.write("data/people2.csv", people(10, 15));
    watch.printed("5 read = 5 loaded");
    // A copy is known by its bytes, and a file that nobody has finished is left alone until it stands still.
    project.write("data/people-copy.csv", people(10, 15));
    watch.printed("people-copy.csv (as people2.csv)");
    project.write("data/people3.csv", people(15, 22));
    watch.printed("7 read = 7 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
    assert_eq!(project.rows("select count(*), count(distinct id) from people"), ["22,22"]);
    project.run(&["audit", "verify"]).ok();
    // What it loaded stays known.
    assert!(project.run(&["run"]).ok().contains("unchanged"));
}

#[test]
fn the_exit_code_is_that_of_the_last_run() {
    let project = Project::new();
    project.people("");
    let mut watch = Watch::start(&project, &[]);
    watch.printed("people");
    project.write("data/people-bad.csv", "id,name\n1,x\n");
    watch.told(|line| line.contains("this run failed"));
    assert_eq!(watch.end(Signal::INT), Some(3));
    std::fs::remove_file(project.dir().join("data/people-bad.csv")).unwrap();
    // And mended, it is 0 again.
    let mut watch = Watch::start(&project, &["--select", "people"]);
    project.write("data/people-good.csv", people(1, 4));
    watch.printed("3 read = 3 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
}

#[test]
fn what_cannot_be_looked_at_is_told_and_the_rest_is_loaded() {
    let project = Project::new();
    project.people("");
    let source = "type: csv\npath: data\ndatasets:\n  people: {file: [people*.csv, later*.csv], null: [NA]}\n";
    project.write("sources/files.yaml", source);
    std::os::unix::fs::symlink("nowhere", project.dir().join("data/people-gone.csv")).unwrap();
    let mut watch = Watch::start(&project, &[]);
    let mut wanted = vec!["people-gone.csv", "later*.csv"];
    while !wanted.is_empty() {
        let line = watch.told(|line| line.contains("files.people is looked at without"));
        wanted.retain(|wanted| !line.contains(wanted));
    }
    project.write("data/people2.csv", people(0, 3));
    watch.printed("3 read = 3 loaded");
    // A source that is half saved ends nothing.
    project.write("sources/files.yaml", "type: csv\npath: [\n");
    watch.told(|line| line.contains("this look failed"));
    project.write("data/later.csv", people(3, 5));
    project.write("sources/files.yaml", source);
    watch.printed("2 read = 2 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
    assert_eq!(project.rows("select count(*), count(distinct id) from people"), ["5,5"]);
}

#[test]
fn another_contract_and_its_approval_are_tried_on_the_same_files() {
    let project = Project::new();
    project.people("1,One,200,s\n2,Two,200,s\n");
    let files = ["contracts/people.odcs.yaml", "contracts/people.odcs.approval"];
    let saved = || files.map(|file| std::fs::read(project.dir().join(file)).unwrap());
    let narrow = saved();
    project.admit_ages(250);
    let wide = saved();
    let put = |saved: &[Vec<u8>; 2]| files.iter().zip(saved).for_each(|(file, bytes)| project.write(file, bytes));
    put(&narrow);
    let mut watch = Watch::start(&project, &[]);
    watch.told(|line| line.contains("this run failed"));
    put(&wide);
    watch.printed("2 read = 2 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
}

#[test]
fn a_file_that_stays_cut_is_tried_later_and_later_and_another_file_begins_anew() {
    let project = Project::new();
    project.people("");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(people(0, 200).as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    project.write("data/people-cut.csv", &whole[..whole.len() / 2]);
    let mut watch = Watch::start(&project, &[]);
    for wait in ["next try in 1 s", "next try in 2 s"] {
        watch.told(|line| line.contains("this run failed") && line.contains(wait));
    }
    project.write("data/people2.csv", people(200, 203));
    watch.told(|line| line.contains("next try in 1 s or when files change"));
    std::fs::remove_file(project.dir().join("data/people-cut.csv")).unwrap();
    watch.printed("3 read = 3 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
}

/// The keys of all files say what is gone, and those of a file that is half written are not all.
#[test]
fn nothing_is_deleted_by_the_keys_of_files_while_one_of_them_is_written_to() {
    let project = Project::new();
    project.people("");
    let settings = "value: 0.5}\n  - {property: polder.disposition, value: merge}\n  - {property: polder.deletes, value: key_snapshot}";
    project.write("contracts/people.odcs.yaml", PEOPLE_CONTRACT.replace("value: 0.5}", settings));
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    old(&project, "data/people.csv", &people(0, 10));
    project.pets("cat\n");
    project.run(&["run"]).ok();
    // Whoever writes the file anew is half way. What else came stands still, and that of another table is loaded.
    project.write("data/people.csv", people(0, 5));
    let busy = Busy::start(project.dir().join("data/people.csv"));
    old(&project, "data/people2.csv", &people(10, 12));
    old(&project, "data/pets2.csv", "pet\nfox\n");
    let mut watch = Watch::start(&project, &[]);
    watch.printed("1 read = 1 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
    assert_eq!(project.rows("select count(*), max(id) from people"), ["10,9"]);
    // Once it is done both are loaded, and what is gone goes.
    drop(busy);
    old(&project, "data/people.csv", &people(0, 9));
    let mut watch = Watch::start(&project, &[]);
    watch.printed("11 read = 11 loaded");
    watch.printed("; 1 rows of the table deleted");
    assert_eq!(watch.end(Signal::TERM), Some(0));
    assert_eq!(project.rows("select count(*), count(*) filter (where id = 9), max(id) from people"), ["11,0,11"]);
}

#[test]
fn what_cannot_be_watched_is_said() {
    let project = Project::new();
    project.people("");
    for wrong in
        [&["run", "--watch", "0"][..], &["run", "--watch", "--dry-run"], &["run", "--watch", "--again"], &["run", "--watch", "soon"]]
    {
        project.run(wrong).fails(2);
    }
}
