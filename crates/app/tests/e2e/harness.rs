//! A project of its own for each test, and the program run on it.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A project directory with its key file, made by `polder init`.
pub struct Project {
    root: tempfile::TempDir,
}

/// What a finished program left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Standard output of a program that ended with code 0.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    /// Standard error of a program that ended with this code.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }

    /// Standard error of a program that `kill -9` ended.
    #[track_caller]
    pub fn killed(self) -> String {
        assert_eq!(
            (self.code, self.signal),
            (None, Some(9)),
            "the program was not killed by the signal: stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self.err
    }
}

impl Project {
    /// `polder init` in a new directory.
    pub fn new() -> Self {
        Self::init(None)
    }

    /// An empty directory where a project may be made.
    pub fn bare() -> Self {
        let project = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(project.dir()).unwrap();
        project
    }

    /// `polder init --anchor` in a new directory; the anchor lies beside the project.
    pub fn anchored() -> Self {
        Self::init(Some("anchor.checkpoint"))
    }

    fn init(anchor: Option<&str>) -> Self {
        let project = Self { root: tempfile::tempdir().unwrap() };
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.arg("init").arg(project.dir()).arg("--key-file").arg(project.key_file());
        if let Some(name) = anchor {
            command.arg("--anchor").arg(project.beside(name));
        }
        Ran::new(command.output().unwrap()).ok();
        project
    }

    /// The same project again in another directory: what was prepared once serves many tests.
    pub fn fork(&self) -> Self {
        let other = Self { root: tempfile::tempdir().unwrap() };
        copy(self.root.path(), other.root.path());
        let settings = std::fs::read_to_string(other.dir().join("polder.yaml")).unwrap();
        let (old, new) = (self.root.path().display().to_string(), other.root.path().display().to_string());
        other.write("polder.yaml", settings.replace(&old, &new));
        other
    }

    /// The project's directory.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// The sealed store's directory.
    pub fn store(&self) -> PathBuf {
        self.dir().join("store")
    }

    /// The root key's file, outside the project.
    pub fn key_file(&self) -> PathBuf {
        self.root.path().join("root.key")
    }

    /// A directory beside the project, for what is not Polder's.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The program with arguments, ready to run in the project.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(args).current_dir(self.dir()).env_remove("RUST_BACKTRACE").stdin(std::process::Stdio::null());
        command
    }

    /// Runs `polder` with arguments.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// Runs a query and returns CSV lines without the header.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let out = self.run(&["sql", sql, "--output", "csv"]).ok();
        out.lines().skip(1).map(str::to_owned).collect()
    }

    /// Copies the store's directory, as a backup or a thief would.
    pub fn copy_store(&self, to: &Path) {
        copy(&self.store(), to);
    }

    /// Puts a copy of the store's directory back.
    pub fn restore_store(&self, from: &Path) {
        std::fs::remove_dir_all(self.store()).unwrap();
        copy(from, &self.store());
    }

    /// Every file of the store, sorted.
    pub fn store_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.store(), &mut files);
        files.sort();
        files
    }

    /// A CSV source `people` with its contract, approved: `rows` are lines under the header.
    pub fn people(&self, rows: &str) {
        self.people_by(rows, "append");
    }

    /// The same with a disposition: `append` or `replace`.
    pub fn people_by(&self, rows: &str, disposition: &str) {
        self.write("data/people.csv", format!("id,name,age,secret\n{rows}"));
        self.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  people: {file: people*.csv, null: [NA]}\n");
        let contract =
            PEOPLE_CONTRACT.replace("value: 0.5}", &format!("value: 0.5}}\n  - {{property: polder.disposition, value: {disposition}}}"));
        self.write("contracts/people.odcs.yaml", if disposition == "append" { PEOPLE_CONTRACT.to_owned() } else { contract });
        self.run(&["contract", "approve", "people", "--yes"]).ok();
    }

    /// The contract of people admits ages up to this one from now on.
    pub fn admit_ages(&self, maximum: u32) {
        let file = "contracts/people.odcs.yaml";
        let contract = std::fs::read_to_string(self.dir().join(file)).unwrap();
        let wider = contract.replace("maximum: 150", &format!("maximum: {maximum}"));
        assert_ne!(wider, contract);
        self.write(file, wider);
        self.run(&["contract", "approve", "people", "--yes"]).ok();
    }
}

impl Project {
    /// Another source with one column and its contract, approved, beside [`Project::people`].
    pub fn pets(&self, rows: &str) {
        self.write("data/pets.csv", format!("pet\n{rows}"));
        self.write("sources/zoo.yaml", "type: csv\npath: data\ndatasets:\n  pets: {file: pets*.csv}\n");
        self.write("contracts/pets.odcs.yaml", PETS_CONTRACT);
        self.run(&["contract", "approve", "pets", "--yes"]).ok();
    }

    /// Enrols two approvers who are not the requester, and returns their key files.
    pub fn approvers(&self) -> [String; 2] {
        let mut settings = std::fs::read_to_string(self.dir().join("polder.yaml")).unwrap();
        let files = ["ann", "bea"].map(|name| {
            let file = self.beside(&format!("{name}.approver.key")).display().to_string();
            let out = self.run(&["keys", "approver", name, "--to", &file]).ok();
            let vkey = out.lines().find_map(|line| line.trim().strip_prefix("- ")).unwrap();
            settings = settings.replacen("    approvers:\n", &format!("    approvers:\n      - {vkey}\n"), 1);
            file
        });
        self.write("polder.yaml", settings);
        files
    }

    /// The arguments of a destruction that both approved.
    pub fn approved_destruction(&self, approvers: &[String; 2], whose: [&str; 2], key_version: &str) -> Vec<String> {
        let destroy = ["keys", "destroy", whose[0], whose[1], "--key-version", key_version];
        let request = self.run(&destroy).ok();
        let request = request.lines().find_map(|line| line.strip_prefix("request")).unwrap().trim().to_owned();
        let approvals = approvers.iter().map(|file| self.run(&["keys", "approve", &request, "--key", file]).ok().trim().to_owned());
        let approvals: Vec<String> = approvals.flat_map(|approval| ["--approval".to_owned(), approval]).collect();
        destroy.into_iter().map(str::to_owned).chain(approvals).collect()
    }

    /// Destroys a key version, approved by both; what was printed.
    #[track_caller]
    pub fn destroy(&self, approvers: &[String; 2], whose: [&str; 2], key_version: &str) -> String {
        let args = self.approved_destruction(approvers, whose, key_version);
        self.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok()
    }

    /// What a command prints as JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        serde_json::from_str(&self.run(&args).ok()).unwrap()
    }
}

const PETS_CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a11
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: zoo}
schema:
  - name: pets
    physicalName: pets
    properties:
      - {name: pet, physicalName: pet, logicalType: string, required: true}
"#;

/// `id` unique, `name` required, `age` 0 to 150; the column `secret` is not authorised.
pub const PEOPLE_CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: 6f1c2f0e-58f1-4c0e-9a38-0d4b6d1f7a10
version: 1.0.0
status: active
customProperties:
  - {property: polder.source, value: files}
  - {property: polder.onViolation, value: quarantine}
  - {property: polder.rejectLimit, value: 0.5}
schema:
  - name: people
    physicalName: people
    properties:
      - {name: id, physicalName: id, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, physicalName: name, logicalType: string, required: true, logicalTypeOptions: {minLength: 1, maxLength: 64}, customProperties: [{property: polder.personal, value: [person_name]}]}
      - {name: age, physicalName: age, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 150}}
"#;

pub fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() == "reserve" {
            // It is large and holds nothing; the program fills it again.
            std::fs::File::create(&target).unwrap().set_len(entry.metadata().unwrap().len()).unwrap();
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            std::fs::File::options().append(true).open(target).unwrap().set_modified(modified).unwrap();
        }
    }
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// What a finished program left.
pub fn ran(output: Output) -> Ran {
    Ran::new(output)
}

/// Seeds: few by default, all of them in the nightly run.
pub fn seeds(few: u64, all: u64) -> u64 {
    if std::env::var("POLDER_SEEDS").is_ok_and(|value| value == "full") { all } else { few }
}
