//! A user's project: files in git. What happened to them is in the journal, not here.

mod parsed;
mod providers;
mod serving;

use std::path::{Path, PathBuf};

use polder_connect::{Connection, ReadOptions};
use polder_contract::yaml::{self, Key, Node, Value};
use polder_contract::{Approved, ApproverPublic, Contract, Patterns, Problem, Problems, RuleFile};
use polder_policy::{Policies, TableRef};
use polder_store::S3Address;
use polder_types::ErrorKind;
use polder_types::limit::PROJECT_FILE_MAX_BYTES;
use rustix::fs::{Mode, OFlags};

use crate::bucket_source;
use crate::described;
use crate::failure::{Failure, Outcome};
use crate::secret_ref;
use crate::settings::{self, Approvals, Environment, S3Store, Settings, Store};

use parsed::Parsed;

/// The file that makes a directory a project.
pub const FILE: &str = "polder.yaml";
/// What the name of a contract's file ends with.
pub const CONTRACT_SUFFIX: &str = ".odcs.yaml";

/// A project directory and the chosen environment.
#[derive(Debug, Clone)]
pub struct Project {
    dir: PathBuf,
    name: String,
    environment: Environment,
    parsed: Parsed,
}

impl Project {
    /// The project in `dir`, or the nearest one upwards from the working directory.
    ///
    /// # Errors
    /// When there is none, or its file or environment is wrong.
    pub fn find(dir: Option<&Path>, environment: &str) -> Outcome<Self> {
        let dir = Self::directory(dir)?;
        let settings = Settings::parse(&read(&dir.join(FILE))?, FILE)?;
        let Some(chosen) = settings.environments.get(environment) else {
            let known: Vec<&str> = settings.environments.keys().map(String::as_str).collect();
            return Err(Failure::new(
                ErrorKind::Invalid,
                format!("take environment {environment}: polder.yaml does not hold it; {}", yaml::suggest(environment, &known)),
            ));
        };
        let project = Self { dir, name: environment.to_owned(), environment: chosen.clone(), parsed: Parsed::default() };
        let anchor = project.environment.anchor.as_ref().map(|anchor| project.path(anchor));
        match anchor.filter(|anchor| project.holds(anchor)) {
            Some(anchor) => Err(anchor_inside(&anchor)),
            None => Ok(project),
        }
    }

    /// `dir`, or the nearest directory upwards from the working directory that is a project.
    ///
    /// # Errors
    /// When there is none.
    pub fn directory(dir: Option<&Path>) -> Outcome<PathBuf> {
        Ok(match dir {
            Some(dir) => dir.to_path_buf(),
            None => {
                let here = std::env::current_dir()
                    .map_err(|error| Failure::because(ErrorKind::Unavailable, "find the working directory", &error))?;
                here.ancestors()
                    .find(|dir| dir.join(FILE).is_file())
                    .ok_or_else(|| {
                        Failure::new(
                            ErrorKind::Invalid,
                            "find a project: neither this directory nor one above it holds polder.yaml; run `polder init DIR`, or name the project with --project",
                        )
                    })?
                    .to_path_buf()
            }
        })
    }

    /// The project's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The chosen environment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The approver's key file: the one that is named, or that of the environment.
    ///
    /// # Errors
    /// When there is neither.
    pub fn approver_key(&self, named: Option<&Path>) -> Outcome<PathBuf> {
        let chosen = named.map(Path::to_path_buf).or_else(|| self.environment.approver_key.as_ref().map(|path| self.path(path)));
        chosen.ok_or_else(|| {
            let text = "approve: no approver key is named; give --key FILE, or set approver_key in polder.yaml";
            Failure::new(ErrorKind::Invalid, text)
        })
    }

    /// The chosen environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A path of the settings, relative to the project.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    /// Whether a file lies in the project, or would, links followed.
    pub fn holds(&self, file: &Path) -> bool {
        let file = std::path::absolute(file).map_or_else(|_| file.to_path_buf(), |file| plain(&file));
        let parent = file.parent().and_then(|parent| parent.canonicalize().ok());
        let real = file.canonicalize().ok().or_else(|| Some(parent?.join(file.file_name()?))).unwrap_or(file);
        real.starts_with(self.dir.canonicalize().unwrap_or_else(|_| plain(&self.dir)))
    }

    /// How sources are read: paths relative to the project, secrets by reference, buckets by the keys that references name.
    pub fn read_options(&self) -> ReadOptions<'_> {
        ReadOptions::new(&self.dir).with_secrets(self).with_buckets(self)
    }

    /// Files of a directory of the project.
    fn files(&self, directory: &str, ending: &str) -> Outcome<Vec<PathBuf>> {
        files(&self.dir.join(directory), ending)
    }

    /// How a file is named in errors: relative to the project.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir).unwrap_or(path).display().to_string()
    }

    /// All sources, by name.
    ///
    /// # Errors
    /// When a file cannot be read or is wrong.
    pub fn sources(&self) -> Outcome<Vec<Connection>> {
        self.files("sources", ".yaml")?.iter().map(|path| Ok(bucket_source::parse(&read(path)?, &self.shown(path))?)).collect()
    }

    /// One source.
    ///
    /// # Errors
    /// When there is no such source, or its file is wrong.
    pub fn source(&self, name: &str) -> Outcome<Connection> {
        let sources = self.sources()?;
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        sources.into_iter().find(|source| source.name == name).ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Failure::new(ErrorKind::Invalid, format!("find source {name}: sources/ holds no such file; {}", yaml::suggest(name, &names)))
        })
    }

    /// All contracts, each with its path; everything that is wrong in any of them is told together.
    ///
    /// # Errors
    /// When a file cannot be read, is wrong, or two are for one table.
    pub fn contracts(&self) -> Outcome<Vec<(PathBuf, Contract)>> {
        let mut contracts: Vec<(PathBuf, Contract)> = Vec::new();
        let mut problems = Vec::new();
        for path in self.files("contracts", CONTRACT_SUFFIX)? {
            match self.parsed.contract(&path, read(&path)?, &self.shown(&path)) {
                Ok(contract) => {
                    if let Some((other, _)) = contracts.iter().find(|(_, other)| other.table == contract.table) {
                        problems.push(Problem {
                            file: self.shown(&path),
                            line: 1,
                            problem: format!("{} is already a contract for table {}", self.shown(other), contract.table),
                            advice: "a table has one contract: merge them".to_owned(),
                        });
                    }
                    contracts.push((path, contract));
                }
                Err(found) => problems.extend(found.0),
            }
        }
        if problems.is_empty() { Ok(contracts) } else { Err(Problems(problems).into()) }
    }

    /// The texts of all contracts' files, each with its path, whether or not they can be used as contracts yet.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn contract_texts(&self) -> Outcome<Vec<(PathBuf, String)>> {
        self.files("contracts", CONTRACT_SUFFIX)?.into_iter().map(|path| read(&path).map(|text| (path, text))).collect()
    }

    /// The policies' texts: file and text.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn policy_files(&self) -> Outcome<Vec<(String, String)>> {
        self.files("policies", ".cedar")?.iter().map(|path| Ok((self.shown(path), read(path)?))).collect()
    }

    /// The contract for a table.
    ///
    /// # Errors
    /// When there is none, or a contract is wrong.
    pub fn contract(&self, table: &str) -> Outcome<(PathBuf, Contract)> {
        let contracts = self.contracts()?;
        let names: Vec<String> = contracts.iter().map(|(_, contract)| contract.table.as_str().to_owned()).collect();
        contracts.into_iter().find(|(_, contract)| contract.table.as_str() == table).ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Failure::new(
                ErrorKind::Invalid,
                format!("find the contract for table {table}: contracts/ holds none; {}", yaml::suggest(table, &names)),
            )
        })
    }

    /// Where the approval of a contract's file lies.
    pub fn approval_path(contract: &Path) -> PathBuf {
        contract.with_extension("approval")
    }

    /// The enrolled approvers.
    ///
    /// # Errors
    /// When a key of polder.yaml is not one.
    pub fn approvers(&self) -> Outcome<Vec<ApproverPublic>> {
        self.environment.approvers.iter().map(|vkey| Ok(ApproverPublic::parse(vkey)?)).collect()
    }

    /// Verifies a contract's approval.
    ///
    /// # Errors
    /// When it is not approved as it stands.
    pub fn approved(&self, path: &Path, contract: Contract) -> Outcome<Approved> {
        let file = Self::approval_path(path);
        let approval = if file.exists() { Some(read(&file)?) } else { None };
        Ok(Approved::verify(contract, approval.as_deref(), &self.approvers()?)?)
    }

    /// The policies, which can speak of the columns of contracts.
    ///
    /// # Errors
    /// When a file cannot be read or is wrong, or speaks of what no contract holds; where contracts are broken then, what is wrong with them.
    pub fn policies(&self) -> Outcome<Policies> {
        let policies = Policies::load(&self.policy_files()?, &self.described()?);
        if policies.is_err() {
            // Policies that name rows of a table whose contract is broken do not load on that account.
            self.contracts()?;
        }
        Ok(policies?)
    }

    /// The tables of contracts, as policies can speak of them. What is wrong with a contract is told by the commands that need it; until then
    /// nothing is known of its table.
    fn described(&self) -> Outcome<Vec<TableRef>> {
        let parsed = |path: &PathBuf| self.parsed.contract(path, read(path).ok()?, &self.shown(path)).ok();
        let contracts: Vec<Contract> = self.files("contracts", CONTRACT_SUFFIX)?.iter().filter_map(parsed).collect();
        Ok(described::files::of_contracts(&contracts))
    }

    /// The rules of YARA that texts are held to: Polder's own, and those of rules/.
    ///
    /// # Errors
    /// When a file cannot be read or is wrong.
    pub fn patterns(&self) -> Outcome<Patterns> {
        let files = self.files("rules", ".yar")?;
        let files = files.iter().map(|path| Ok(RuleFile { name: self.shown(path), text: read(path)? })).collect::<Outcome<Vec<_>>>()?;
        Ok(Patterns::compile(&files)?)
    }

    /// The models' texts: name and SQL.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn models(&self) -> Outcome<Vec<(String, String)>> {
        self.files("models", ".sql")?
            .iter()
            .map(|path| {
                let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
                Ok((name, read(path)?))
            })
            .collect()
    }
}

/// An anchor in the project would be rolled back with it, and prove nothing.
pub(crate) fn anchor_inside(anchor: &Path) -> Failure {
    Failure::new(
        ErrorKind::Invalid,
        format!(
            "use the anchor {}: it lies in the project, and whoever rolls that back rolls the anchor back with it; choose a place outside, best on another machine's disk",
            anchor.display()
        ),
    )
}

/// A path without `.` and `..`, by its text alone.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Files of a directory whose names have this ending, sorted; nothing when the directory is not there.
pub(crate) fn files(dir: &Path, ending: &str) -> Outcome<Vec<PathBuf>> {
    let failed = |error: &std::io::Error| Failure::because(ErrorKind::Unavailable, format!("list {}", dir.display()), error);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(ending) && !name.starts_with('.')) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a project file, which is small.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    use std::io::Read;
    let failed = |error: &std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { ErrorKind::Invalid } else { ErrorKind::Unavailable };
        Failure::because(kind, format!("read {}; check that it exists and may be read", path.display()), error)
    };
    // Without waiting: a named pipe would have a reader wait for whoever writes it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(&error.into()))?;
    let file = std::fs::File::from(file);
    if !file.metadata().map_err(|error| failed(&error))?.is_file() {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("read {}: it is no file but a directory, a pipe or a device; put a file there, or remove it", path.display()),
        ));
    }
    let mut bytes = Vec::new();
    file.take(PROJECT_FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > PROJECT_FILE_MAX_BYTES {
        return Err(Failure::new(
            ErrorKind::Invalid,
            format!("read {}: a project file has at most {PROJECT_FILE_MAX_BYTES} bytes; split it", path.display()),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(ErrorKind::Invalid, format!("read {}: line {line} is not UTF-8; save the file as UTF-8", path.display()))
    })
}

impl Settings {
    /// Reads `polder.yaml`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        let document = yaml::parse(text, file)?;
        let mut reader = SettingsReader { file: file.to_owned(), problems: Vec::new() };
        let settings = reader.settings(&document);
        if reader.problems.is_empty() { Ok(settings) } else { Err(Problems(reader.problems)) }
    }
}

struct SettingsReader {
    file: String,
    problems: Vec<Problem>,
}

impl SettingsReader {
    fn wrong(&mut self, line: u64, problem: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem { file: self.file.clone(), line, problem: problem.into(), advice: advice.into() });
    }

    fn map<'a>(&mut self, node: &'a Node, what: &str, known: Option<&[&str]>) -> Vec<(&'a Key, &'a Node)> {
        let Value::Map(map) = &node.value else {
            self.wrong(node.line, format!("`{what}` is {}, not a mapping", node.value.kind()), "write keys and values");
            return Vec::new();
        };
        for (key, _) in map {
            if let Some(known) = known.filter(|known| !known.contains(&key.name.as_str())) {
                self.wrong(key.line, format!("`{}` is not a key of {what}", key.name), yaml::suggest(&key.name, known));
            }
        }
        map.iter().map(|(key, value)| (key, value)).collect()
    }

    fn text(&mut self, map: &[(&Key, &Node)], name: &str, what: &str, line: u64) -> Option<String> {
        match map.iter().find(|(key, _)| key.name == name).map(|(_, node)| *node) {
            Some(Node { value: Value::Text(text), .. }) if !text.is_empty() => Some(text.clone()),
            Some(node @ Node { value: Value::Text(_), .. }) => {
                self.wrong(node.line, format!("`{name}` of {what} is empty"), "write a text, or remove the key if it may be absent");
                None
            }
            Some(node) => {
                self.wrong(node.line, format!("`{name}` of {what} is {}, not text", node.value.kind()), "write a text");
                None
            }
            None => {
                self.wrong(line, format!("{what} has no `{name}`"), "add it; `polder init` shows how such a file looks");
                None
            }
        }
    }

    fn optional(&mut self, map: &[(&Key, &Node)], name: &str, what: &str) -> Option<String> {
        if map.iter().any(|(key, _)| key.name == name) { self.text(map, name, what, 1) } else { None }
    }

    fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        let Value::List(items) = &node.value else {
            self.wrong(node.line, format!("`{what}` is {}, not a list", node.value.kind()), "write a list of texts");
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| match &item.value {
                Value::Text(text) => Some(text.clone()),
                other => {
                    self.wrong(item.line, format!("an item of `{what}` is {}, not text", other.kind()), "put it into quotes");
                    None
                }
            })
            .collect()
    }

    fn settings(&mut self, document: &Node) -> Settings {
        let mut settings = Settings::default();
        let top = self.map(document, "polder.yaml", Some(&settings::KEYS));
        let Some((_, environments)) = top.iter().find(|(key, _)| key.name == "environments") else {
            self.wrong(document.line, "polder.yaml has no `environments`", "declare at least `default`");
            return settings;
        };
        for (key, node) in self.map(environments, "environments", None) {
            if let Some(environment) = self.environment(&key.name, node) {
                settings.environments.insert(key.name.clone(), environment);
            }
        }
        settings
    }

    fn environment(&mut self, name: &str, node: &Node) -> Option<Environment> {
        let what = format!("environment {name}");
        let map = self.map(node, &what, Some(&settings::ENVIRONMENT_KEYS));
        let store = self.store(&map, &what, node.line);
        let keys = match map.iter().find(|(key, _)| key.name == "keys") {
            Some((_, keys)) => self.custody(keys),
            None => {
                self.wrong(node.line, format!("{what} has no `keys`"), "add them, such as {custody: key-file, path: ../root.key}");
                None
            }
        };
        let anchor = self.optional(&map, "anchor", &what);
        let approver_key = self.optional(&map, "approver_key", &what);
        let mut environment = Environment {
            store: store?,
            keys: keys?,
            anchor,
            approver_key,
            approvers: Vec::new(),
            approvals: Approvals::of(name),
            groups: Default::default(),
            temporary_mib: 20_480,
            telemetry: None,
            serving: Default::default(),
        };
        for (key, value) in &map {
            match key.name.as_str() {
                "approvers" => {
                    environment.approvers = self.texts(value, "approvers");
                    for vkey in &environment.approvers {
                        if let Err(error) = ApproverPublic::parse(vkey) {
                            self.wrong(value.line, error.to_string(), "`polder keys approver` makes one and prints it");
                        }
                    }
                }
                "approvals" => self.approvals(value, &mut environment.approvals),
                "telemetry" => environment.telemetry = self.telemetry(value),
                "listeners" => {
                    environment.serving.listeners = self.listeners(value);
                    environment.serving.public_url = self.public_url(value);
                }
                "tls" => self.tls(value, &mut environment.serving),
                "limits" => environment.serving.limits = self.limits(value),
                "scheduler" => environment.serving.scheduler_off = self.scheduler_off(value),
                "identity_providers" => environment.serving.providers = self.identity_providers(value),
                "temporary_mib" => match value.value {
                    Value::Int(mib) if mib > 0 => environment.temporary_mib = u64::try_from(mib).unwrap_or(u64::MAX),
                    _ => self.wrong(value.line, "`temporary_mib` is not a whole number from 1", "correct it"),
                },
                "groups" => {
                    for (group, members) in self.map(value, "groups", None) {
                        let line = members.line;
                        let members = self.texts(members, &group.name);
                        for member in members.iter().filter(|member| !member.starts_with("user:")) {
                            let advice = format!("write user:{member}, with the operating system's name of the account");
                            self.wrong(line, format!("`{member}` in group {} is no account", group.name), advice);
                        }
                        environment.groups.insert(group.name.clone(), members);
                    }
                }
                _ => {}
            }
        }
        Some(environment)
    }

    fn telemetry(&mut self, node: &Node) -> Option<settings::Telemetry> {
        let map = self.map(node, "telemetry", Some(&settings::TELEMETRY_KEYS));
        let endpoint = self.text(&map, "endpoint", "telemetry", node.line);
        let ca = self.optional(&map, "ca", "telemetry");
        let mut telemetry = settings::Telemetry { endpoint: endpoint?, headers: Default::default(), ca, plain_loopback: false };
        for (key, value) in &map {
            match (key.name.as_str(), &value.value) {
                ("plain_loopback", Value::Bool(flag)) => telemetry.plain_loopback = *flag,
                ("plain_loopback", other) => {
                    self.wrong(value.line, format!("`plain_loopback` is {}", other.kind()), "write true or false");
                }
                ("headers", _) => {
                    for (name, reference) in self.map(value, "headers", None) {
                        match &reference.value {
                            Value::Text(text) if secret_ref::is_reference(text) => {
                                telemetry.headers.insert(name.name.clone(), text.clone());
                            }
                            // What stands there may be the secret itself, so it is not repeated.
                            _ => self.wrong(
                                reference.line,
                                format!("the header `{}` is no reference to a secret", name.name),
                                secret_ref::ADVICE,
                            ),
                        }
                    }
                }
                _ => {}
            }
        }
        Some(telemetry)
    }

    fn approvals(&mut self, node: &Node, approvals: &mut Approvals) {
        for (key, value) in self.map(node, "approvals", Some(&settings::APPROVALS_KEYS)) {
            match (key.name.as_str(), &value.value) {
                ("other_than_author", Value::Bool(flag)) => approvals.other_than_author = *flag,
                ("other_than_author", other) => {
                    self.wrong(value.line, format!("`other_than_author` is {}", other.kind()), "write true or false");
                }
                ("git", _) => {
                    for (approver, addresses) in self.map(value, "git", None) {
                        let line = addresses.line;
                        let addresses = self.texts(addresses, &approver.name);
                        for address in addresses.iter().filter(|address| !address.contains('@')) {
                            self.wrong(
                                line,
                                format!("`{address}` of approver {} is no address", approver.name),
                                "write that of their commits",
                            );
                        }
                        approvals.git.insert(approver.name.clone(), addresses);
                    }
                }
                _ => {}
            }
        }
    }

    fn store(&mut self, map: &[(&Key, &Node)], what: &str, line: u64) -> Option<Store> {
        match map.iter().find(|(key, _)| key.name == "store").map(|(_, node)| *node) {
            Some(node @ Node { value: Value::Map(_), .. }) => self.s3(node),
            Some(Node { value: Value::Text(text), line }) if text.starts_with("s3:") => {
                let advice = "write {s3: BUCKET/PREFIX, region: ..., access_key_id: env:NAME, secret_access_key: env:NAME}";
                self.wrong(*line, format!("`store` of {what} is a bucket without the keys to it"), advice);
                None
            }
            _ => self.text(map, "store", what, line).map(Store::Directory),
        }
    }

    fn s3(&mut self, node: &Node) -> Option<Store> {
        let map = self.map(node, "store", Some(&settings::STORE_KEYS));
        let location = self.text(&map, "s3", "store", node.line);
        let endpoint = self.optional(&map, "endpoint", "store");
        let region = self.optional(&map, "region", "store");
        let access_key_id = self.text(&map, "access_key_id", "store", node.line);
        let secret_access_key = self.text(&map, "secret_access_key", "store", node.line);
        let session_token = self.optional(&map, "session_token", "store");
        let ca = self.optional(&map, "ca", "store");
        let temporary = self.optional(&map, "temporary", "store");
        let at = |name: &str| map.iter().find(|(key, _)| key.name == name).map_or(node.line, |(key, _)| key.line);
        for (name, text) in
            [("access_key_id", &access_key_id), ("secret_access_key", &secret_access_key), ("session_token", &session_token)]
        {
            // The text is not repeated: it may be the secret.
            if text.as_ref().is_some_and(|text| !secret_ref::is_reference(text)) {
                self.wrong(at(name), format!("`{name}` of store is no reference"), "write env:NAME or file:PATH, never the secret itself");
            }
        }
        let plain_loopback = match map.iter().find(|(key, _)| key.name == "plain_loopback").map(|(_, node)| *node) {
            None => false,
            Some(Node { value: Value::Bool(flag), .. }) => *flag,
            Some(node) => {
                self.wrong(node.line, format!("`plain_loopback` of store is {}", node.value.kind()), "write true or false");
                false
            }
        };
        let address = match S3Address::parse(&location?, endpoint.as_deref(), region.as_deref(), plain_loopback) {
            Ok(address) => address,
            Err(wrong) => {
                self.wrong(at(wrong.setting), format!("`{}` of store: {}", wrong.setting, wrong.problem), wrong.advice);
                return None;
            }
        };
        let (access_key_id, secret_access_key) = (access_key_id?, secret_access_key?);
        Some(Store::S3(Box::new(S3Store { address, access_key_id, secret_access_key, session_token, ca, temporary })))
    }

    fn custody(&mut self, node: &Node) -> Option<crate::settings::Custody> {
        let map = self.map(node, "keys", Some(&settings::CUSTODY_KEYS));
        let custody = self.text(&map, "custody", "keys", node.line)?;
        let path = self.text(&map, "path", "keys", node.line);
        match custody.as_str() {
            "key-file" => {
                if let Some((key, _)) = map.iter().find(|(key, _)| key.name == "passphrase") {
                    self.wrong(key.line, "a key file takes no `passphrase`", "remove it, or write custody: passphrase");
                }
                Some(crate::settings::Custody::KeyFile { path: path? })
            }
            "passphrase" => {
                let passphrase = self.text(&map, "passphrase", "keys", node.line);
                // What stands there may be the passphrase itself, so it is not repeated.
                if passphrase.as_ref().is_some_and(|passphrase| !secret_ref::is_reference(passphrase)) {
                    let line = map.iter().find(|(key, _)| key.name == "passphrase").map_or(node.line, |(_, value)| value.line);
                    self.wrong(line, "`passphrase` of keys is no reference to a secret", secret_ref::ADVICE);
                }
                Some(crate::settings::Custody::Passphrase { path: path?, passphrase: passphrase? })
            }
            other => {
                self.wrong(node.line, format!("`{other}` is not a custody"), yaml::suggest(other, &settings::CUSTODIES));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_that_is_written_out_is_refused_and_not_repeated() {
        let settings = |passphrase: &str| {
            let text = format!(
                "environments:\n  default:\n    store: s\n    keys:\n      custody: passphrase\n      path: k\n      passphrase: {passphrase}\n"
            );
            Settings::parse(&text, FILE)
        };
        for reference in ["env:P", "file:../p", "credential:p"] {
            assert!(settings(reference).is_ok(), "{reference}");
        }
        for passphrase in ["hunter2-hunter2", "'env:'", "'hunter2: x'"] {
            let problems = settings(passphrase).unwrap_err().to_string();
            assert!(problems.contains("line 7") && problems.contains("env:NAME") && !problems.contains("hunter2"), "{problems}");
        }
    }

    #[test]
    fn telemetry_is_read_and_its_headers_are_references() {
        let settings = |telemetry: &str| {
            let text =
                format!("environments:\n  default:\n    store: s\n    keys: {{custody: key-file, path: k}}\n    telemetry: {telemetry}\n");
            Settings::parse(&text, FILE).map(|settings| settings.environments["default"].telemetry.clone().unwrap())
        };
        let read = settings("{endpoint: 'https://c:4318', headers: {Authorization: 'env:A'}, ca: ca.pem, plain_loopback: true}").unwrap();
        let headers = std::collections::BTreeMap::from([("Authorization".to_owned(), "env:A".to_owned())]);
        let known =
            settings::Telemetry { endpoint: "https://c:4318".to_owned(), headers, ca: Some("ca.pem".to_owned()), plain_loopback: true };
        assert_eq!(read, known);
        for wrong in ["{}", "x", "{endpoint: e, header: {}}", "{endpoint: e, headers: {A: hunter2}}", "{endpoint: e, plain_loopback: 1}"] {
            let problems = settings(wrong).unwrap_err().to_string();
            assert!(problems.contains("line 5") && !problems.contains("hunter2"), "{problems}");
        }
    }

    #[test]
    fn error_texts() {
        let mut texts = String::new();
        for text in [
            "environments:\n  default:\n    store: s\n",
            "environment: {}\n",
            "environments:\n  default: {stor: s, keys: {custody: key-fil, path: k}}\n",
            "environments:\n  default: {store: 5, keys: {custody: passphrase, path: k}, approvers: x, groups: {owners: [1]}, temporary_mib: -1}\n",
            "environments:\n  default:\n    store: s\n    keys: {custody: key-file, path: k, passphrase: env:P}\n    anchor: ''\n    approvers: [nobody]\n    groups:\n      owners: [ann]\n",
            "environments: [\n",
            "environments:\n  default:\n    store: s3://data/polder\n    keys: {custody: key-file, path: k}\n",
            "environments:\n  default:\n    store:\n      s3: data/../polder\n      region: eu-west-3\n      access_key_id: AKIAplain\n      secret_access_key: geheim\n      plain_loopback: maybe\n      bucket: x\n    keys: {custody: key-file, path: k}\n",
            "environments:\n  default:\n    store: s\n    keys: {custody: key-file, path: k}\n    listeners: {postgress: '127.0.0.1:1', postgres: '127.0.0.1:5432', flight: localhost, rest: {address: '0.0.0.0:5432', tls12: 1}}\n    tls: {chain: c, names: ['*.example.org'], keys: x}\n    limits: {connections: 0, conections: 5}\n",
            "environments:\n  default:\n    store: s\n    keys: {custody: key-file, path: k}\n    listeners: {rest: {tls12: true}}\n    tls: {chain: c, key: geheim, names: [a.example]}\n",
            "environments:\n  default:\n    store: {s3: data/polder, endpoint: \"http://minio.example:9000\", plain_loopback: true, access_key_id: env:A}\n    keys: {custody: key-file, path: k}\n",
        ] {
            texts.push_str(&format!("{}\n\n", Settings::parse(text, FILE).unwrap_err()));
        }
        insta::assert_snapshot!(texts);
    }
}
