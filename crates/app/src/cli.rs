//! The command line: nouns, verbs and their options. What each does stands in `command/`.

mod cert;
mod certificate;
mod grant;
mod identity;
mod keys;
mod login;
mod policy;
mod serving;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use cert::CertCommand;
pub use certificate::CertificateCommand;
pub use grant::{BreakGlassCommand, GrantCommand};
pub use identity::{
    AddedProviderArgs, GroupCommand, PasskeysCommand, PasswordArgs, ServiceCommand, TokenCommand, TotpCommand, UserCommand,
};
pub use keys::{KeysCommand, OneDataset};
pub use login::LoginArgs;
pub use policy::{ExplainArgs, PolicyCommand};
pub use serving::{SchedulerArgs, SchedulerCommand, ServeArgs};

/// Memory for queries and models where nobody says how much, in MiB.
pub const MEMORY_MIB: u64 = 1024;

/// Automates the preparation and processing of data. By default every piece of data is forbidden: a contract authorises
/// what is needed, everything stored is encrypted, every read is a decision, every act leaves proof.
#[derive(Debug, Parser)]
#[command(name = "polder", version, max_term_width = 120, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 defect, a change that ci refuses, or a policy test that fails; 2 usage or project file; 3 contract, quality or reconciliation, or a red \
check of doctor; 4 source, store or keys unavailable (try again); 5 another writer holds the lease (try again, or --wait); 6 integrity \
broken; 7 denied; 130 a run was cancelled, 143 told to end; 141 whoever read standard output closed it";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The project's directory (default: the nearest one upwards that holds polder.yaml)
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// The environment of polder.yaml
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub env: String,
    /// Format of what is printed on standard output
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Wait for another writer to finish, at most this many seconds, instead of exit code 5
    #[arg(long, global = true, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "600")]
    pub wait: Option<u64>,
    /// Show what the program does (standard error; never values or secrets). Repeat for more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Memory for queries and models, in MiB; what does not fit is spilled, sealed
    #[arg(long, global = true, value_name = "MIB", default_value_t = MEMORY_MIB)]
    pub memory_mib: u64,
    /// Kill this process at a named point, to try recovery
    #[arg(long, global = true, hide = true, value_name = "POINT")]
    pub kill_at: Option<String>,
    /// Lose one batch behind the reader, inside the gate or the writer, to try the reconciliation
    #[arg(long, global = true, hide = true, value_name = "WHERE:SEED")]
    pub drop_batch: Option<String>,
}

/// Formats of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Columns for people
    Table,
    /// JSON for machines: one array of objects (a run: one object)
    Json,
    /// CSV with a header: the values as they are, whatever they hold
    Csv,
    /// An Arrow IPC stream (queries only)
    Arrow,
    /// Markdown for a comment on a pull request (ci only)
    Markdown,
    /// JUnit XML (ci only)
    Junit,
    /// SARIF 2.1.0 (ci only)
    Sarif,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project with its store, keys, policies and recovery kit
    Init(Box<InitArgs>),
    /// Show the main job on real data: load, refuse, query, kill and resume, tamper, prove
    Demo(DemoArgs),
    /// Say what is not as it should be, and what to do
    Doctor,
    /// Sources: connections and their datasets
    #[command(subcommand)]
    Source(SourceCommand),
    /// Contracts: what may come in
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Policies: who may read which rows and columns
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Users: persons who sign in with a password or a token
    #[command(subcommand)]
    User(UserCommand),
    /// Services: programs that sign in with a token or a certificate
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Groups of users and services, as policies name them
    #[command(subcommand)]
    Group(GroupCommand),
    /// API tokens of users and services
    #[command(subcommand)]
    Token(TokenCommand),
    /// Membership of a group for a limited time, which another person approves
    #[command(subcommand)]
    Grant(GrantCommand),
    /// The account for emergencies: sealed until two approvers open it together
    #[command(subcommand)]
    BreakGlass(BreakGlassCommand),
    /// Sign in to a server through its identity provider, on any device with a browser; needs no project
    Login(LoginArgs),
    /// Load what the approved contracts authorise, then build the models
    Run(RunArgs),
    /// Pipelines: what runs when, and who is told
    #[command(subcommand)]
    Pipeline(PipelineCommand),
    /// Run the pipelines when they are due, until it is told to end
    Scheduler(SchedulerArgs),
    /// Runs: which there were, and what became of them
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Ask a question in SQL; without one, open a shell
    Sql(SqlArgs),
    /// Answer questions over the network, by the listeners of polder.yaml, and run the pipelines when they are due, until it is told to end
    Serve(ServeArgs),
    /// Certificates that the listeners show
    #[command(subcommand)]
    Cert(CertCommand),
    /// Tables and their versions
    #[command(subcommand)]
    Table(TableCommand),
    /// What is remembered of how far sources were read
    #[command(subcommand)]
    State(StateCommand),
    /// Models: what becomes of the data
    #[command(subcommand)]
    Model(ModelCommand),
    /// Rows that a contract refused and kept, with the reason
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Keys: rotation, recovery, destruction
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The audit log and its proofs
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What stands: tables, last run, log, lease
    Status,
    /// Review a change of the project: what it newly lets in and who approved that, what breaks, the migration. Needs no key, no network
    /// and no store
    Ci(CiArgs),
    /// Print the schema of a sort of project file (JSON Schema; Cedar for policies), for editors and other checkers
    Schema(SchemaArgs),
}

#[derive(Debug, Args)]
pub struct CiArgs {
    /// What the work tree is compared with: the last commit in common with this one (default: origin/HEAD, or what else there is of
    /// origin/main, origin/master, main and master)
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The sort of file; without one, all are listed
    #[arg(value_enum, conflicts_with = "write")]
    pub kind: Option<crate::schema::Kind>,
    /// Write all schemas into a directory, such as .polder/schemas
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Directory of the project; made when it does not exist
    pub dir: PathBuf,
    /// Root key file, made with mode 0600 (default: outside the project, in the user's configuration). The approver's key and the
    /// recovery kit are made beside it
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Take the root key and the approver's key that are there already, of another project: who has them opens both
    #[arg(long)]
    pub share_keys: bool,
    /// Protect the root key by a passphrase, read from this reference (env:NAME or file:PATH)
    #[arg(long, value_name = "REFERENCE")]
    pub passphrase: Option<String>,
    /// Where the newest checkpoint of the audit log is also written: outside the store, best on another machine's disk
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    #[command(flatten)]
    pub bucket: BucketArgs,
}

/// Where a store in a bucket lies.
#[derive(Debug, Args)]
#[command(next_help_heading = "A store in a bucket")]
pub struct BucketArgs {
    /// Keep the store under a prefix of a bucket on S3-compatible storage, where nothing lies yet, and not in DIR/store
    #[arg(long, value_name = "BUCKET/PREFIX", requires_all = ["access_key_id", "secret_access_key"])]
    pub s3: Option<String>,
    /// Where the storage is: https://HOST (default: Amazon's of the region)
    #[arg(long, value_name = "URL", requires = "s3")]
    pub endpoint: Option<String>,
    /// The provider's name of the region
    #[arg(long, requires = "s3")]
    pub region: Option<String>,
    /// Where the key's id comes from: env:NAME or file:PATH
    #[arg(long, value_name = "REFERENCE", requires = "s3")]
    pub access_key_id: Option<String>,
    /// Where the key comes from
    #[arg(long, value_name = "REFERENCE", requires = "s3")]
    pub secret_access_key: Option<String>,
    /// Where the token of temporary keys comes from
    #[arg(long, value_name = "REFERENCE", requires = "s3")]
    pub session_token: Option<String>,
    /// Certificates of the only authorities that are trusted, as PEM (default: the system's)
    #[arg(long, value_name = "FILE", requires = "s3")]
    pub ca: Option<PathBuf>,
    /// Take plain HTTP from a storage on this machine itself
    #[arg(long, requires = "s3")]
    pub plain_loopback: bool,
    /// The directory of this machine for sealed temporary files (default: the user's cache)
    #[arg(long, value_name = "DIR", requires = "s3")]
    pub temporary: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Directory of the demo project (default: a new one under the system's temporary directory)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Another file of flights with the same columns (CSV, plain or compressed)
    #[arg(long, value_name = "FILE")]
    pub flights: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// List the sources and their datasets
    List,
    /// Read the column names of a dataset and what a contract would authorise; no row is stored or shown (a recorded read)
    Check {
        /// SOURCE or SOURCE.DATASET
        name: String,
    },
    /// Propose sources for the files of a directory that no source reads yet: the type of each, its encoding and dialect, where its
    /// records are. No row is stored or shown (a recorded read)
    Propose {
        /// The directory, or one file; or s3://BUCKET/PREFIX
        dir: PathBuf,
        /// The name that the sources' names begin with (default: the directory's)
        #[arg(long)]
        name: Option<String>,
        /// Write sources/NAME.yaml, and layouts; without it, print what would be written
        #[arg(long)]
        write: bool,
        #[command(flatten)]
        bucket: SourceBucketArgs,
    },
}

/// How the bucket of a source is reached. Each is written into the source as it is given: paths are relative to the project.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Files in a bucket")]
pub struct SourceBucketArgs {
    /// Where the storage is: https://HOST (default: Amazon's of the region)
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The provider's name of the region
    #[arg(long)]
    pub region: Option<String>,
    /// Where the key's id comes from: env:NAME, file:PATH or credential:NAME
    #[arg(long, value_name = "REFERENCE")]
    pub access_key_id: Option<String>,
    /// Where the key comes from
    #[arg(long, value_name = "REFERENCE")]
    pub secret_access_key: Option<String>,
    /// Where the token of temporary keys comes from
    #[arg(long, value_name = "REFERENCE")]
    pub session_token: Option<String>,
    /// Certificates of the only authorities that are trusted, as PEM (default: the system's)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Take plain HTTP from a storage on this machine itself
    #[arg(long)]
    pub plain_loopback: bool,
}

#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// List the contracts and whether they are approved
    List,
    /// Check every contract, or one
    Check {
        /// The contract's table
        name: Option<String>,
    },
    /// Show what the contracts newly let in, keep out and break, and the migration, compared with a commit
    Diff {
        /// The contract's table
        name: Option<String>,
        /// The commit
        #[arg(long, value_name = "REF", default_value = "HEAD")]
        base: String,
    },
    /// Propose contracts from a sample: types, keys, joins; personal data is left out, with the reason. What a contract's file says
    /// already stays as it is; new columns are added to it as comments. No row is stored or shown (a recorded read)
    Propose {
        /// SOURCE or SOURCE.DATASET (default: all sources, looked at together)
        name: Option<String>,
        /// Only datasets whose names match
        #[arg(long, value_name = "GLOB")]
        select: Option<String>,
        /// Write contracts/TABLE.odcs.yaml; without it, print what would be written
        #[arg(long)]
        write: bool,
    },
    /// Show what the columns of a source were like when contracts were last proposed (a recorded read)
    Profile {
        /// SOURCE, SOURCE.DATASET or a table
        name: String,
        /// Also write a page of its own, with the distributions
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Change one column of a contract in its file, comments kept
    Set {
        #[arg(value_name = "TABLE.COLUMN")]
        column: String,
        /// A key of the column, logicalTypeOptions.KEY or a setting polder.KEY, and its value as YAML
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
    },
    /// Authorise columns that a proposal left out
    Admit {
        #[arg(required = true, value_name = "TABLE.COLUMN")]
        columns: Vec<String>,
    },
    /// Approve contracts: the signed approval of each is written beside it
    Approve {
        /// The contracts' tables
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All contracts that are not approved as they stand
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// The approver's key file (default: the one that init made)
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Record that a contract was approved, for the process that signed it
    #[command(hide = true)]
    Approved {
        /// The contract's table
        name: String,
        /// What was approved
        #[arg(long, value_name = "HASH")]
        hash: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum PipelineCommand {
    /// Run one once, whenever it is due: with its retries, its timeout and its notices. For people, cron and other schedulers
    Run(PipelineRunArgs),
    /// List the pipelines: when each is due, and how it stands
    List,
    /// Look for tables that are older than their contracts let them be, and for runs that ended without a word; tell and record what is new
    Check {
        /// Only this pipeline
        name: Option<String>,
        /// The process that asks for it
        #[arg(long, hide = true, value_name = "PROCESS")]
        parent: Option<i32>,
    },
}

#[derive(Debug, Args)]
pub struct PipelineRunArgs {
    /// The pipeline: the name of its file in pipelines/, without the ending
    pub name: String,
    /// Which attempt it is: the scheduler sees to the next one
    #[arg(long, hide = true, value_name = "NUMBER", requires = "parent")]
    pub attempt: Option<u32>,
    /// When it was due, in milliseconds since 1970
    #[arg(long, hide = true, value_name = "MS", requires = "attempt")]
    pub due_ms: Option<i64>,
    /// Due times that passed since the last run
    #[arg(long, hide = true, value_name = "REASON:FIRST:LAST:TIMES", requires = "attempt")]
    pub passed: Vec<String>,
    /// The process that asks for it
    #[arg(long, hide = true, value_name = "PROCESS")]
    pub parent: Option<i32>,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List the newest runs
    List {
        /// Only those of this pipeline
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show a run and its steps: results, counts, times
    Show {
        /// The run, or the letters that its id begins with
        run: String,
    },
    /// Show what was reported of a run, its steps and its notices (a recorded read)
    Logs {
        /// The run, or the letters that its id begins with
        run: String,
    },
    /// Do what a run left undone: what failed, was broken off, or was not begun. What it committed is not done again
    Retry {
        /// The run, or the letters that its id begins with
        run: String,
    },
    /// Ask the process of a run to end it. What it committed stands
    Cancel {
        /// The run, or the letters that its id begins with
        run: String,
    },
}

#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// Only these tables or models (may be given several times)
    #[arg(long, value_name = "NAME")]
    pub select: Vec<String>,
    /// Load again what was already loaded from unchanged files, into tables that each load replaces
    #[arg(long)]
    pub again: bool,
    /// Read everything anew from the beginning, and replace what the tables hold
    #[arg(long, conflicts_with = "again")]
    pub full_refresh: bool,
    /// Read again what a cursor says lies from here on (included), up to --to: rows take the place of those that have their keys, and the
    /// cursor stays where it is
    #[arg(long, value_name = "VALUE", requires_all = ["to", "select"], conflicts_with_all = ["again", "full_refresh"])]
    pub from: Option<String>,
    /// The end of --from (not included)
    #[arg(long, value_name = "VALUE", requires = "from")]
    pub to: Option<String>,
    /// Check and count everything, and commit nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Look for new files every so many seconds (10 unless given), and load those that stand still, until it is told to end
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with_all = ["again", "dry_run", "full_refresh", "from"])]
    pub watch: Option<u64>,
    /// Optimise each table for which that is advised after its load: a pipeline says so.
    #[arg(skip)]
    pub maintain: bool,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// The question; `-` reads it from standard input
    pub query: Option<String>,
    /// Read a table as it was: TABLE=VERSION (may be given several times)
    #[arg(long, value_name = "TABLE=VERSION")]
    pub at: Vec<String>,
    /// What the answer is for, as policies may ask; in the shell also SET polder.purpose = 'billing'
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub purpose: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show the cursors, and how many files are remembered
    Show { name: Option<String> },
    /// Let the next load begin at a value of the cursor
    Set {
        name: String,
        /// The value: 42, 2026-01-31 or 2026-01-31T12:00:00Z
        #[arg(long)]
        cursor: String,
    },
    /// Forget the cursor and the files: the next load reads all from the beginning
    Reset {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// List the tables that you may read
    List,
    /// Show a table's columns and counts
    Show { name: String },
    /// Show a table's versions
    History { name: String },
    /// Show what tables take in the store, and how much of that is deleted rows and older versions
    Storage { name: Option<String> },
    /// Write small files together, and files of which many rows are deleted without these
    Optimize { name: String },
    /// Make a table what it was in an older version: its rows, its columns, and how far its source had been read
    Restore {
        name: String,
        /// The version, as `table history` shows it
        #[arg(long)]
        version: u64,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove a table and all that belongs to it: rows, versions, refused rows. Its entries in the log stay
    Drop {
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Erase rows for good: from the table with its older versions, from its refused rows, and from what models computed of it
    Erase {
        name: String,
        /// Which rows, as after WHERE: "patient_id = 4711"
        #[arg(long = "where", value_name = "CONDITION", required_unless_present_any = ["keys", "resume"], conflicts_with_all = ["keys", "resume"])]
        condition: Option<String>,
        /// A file with a value of the primary key of each row a line
        #[arg(long, value_name = "FILE", conflicts_with = "resume")]
        keys: Option<PathBuf>,
        /// Go on with an erasure that was broken off
        #[arg(long, conflicts_with_all = ["dry_run", "undecided"])]
        resume: bool,
        /// What becomes of refused rows that cannot be judged; without it, they stop the erasure
        #[arg(long, value_enum, value_name = "WHAT")]
        undecided: Option<crate::erasure::Undecided>,
        /// Tell what would go, and erase nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete files that no kept version needs
    Vacuum {
        name: String,
        /// Keep the versions of the last hours
        #[arg(long, default_value_t = 168)]
        keep_hours: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the models, their inputs and their order
    List,
    /// Show where each column of a model comes from
    Lineage { name: String },
    /// Build one model, or all
    Run { name: Option<String> },
}

#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Count what is in quarantine by table, run and rule
    List { table: Option<String> },
    /// Show refused rows of a table with the reason (a recorded read)
    Show {
        table: String,
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Show values in which content inspection found a risk as they are, not their shape
        #[arg(long)]
        unmasked: bool,
    },
    /// Load what the contract refused once and admits now; what it still refuses stays in quarantine
    Replay { table: String },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify the whole log, its signatures, its anchor and the private values, and every file of the store
    Verify {
        /// Also record what was found, or that all is well: `doctor` and `status` go by it. Changes the store, so copy evidence first
        #[arg(long)]
        record: bool,
    },
    /// Begin the anchor that polder.yaml names, for a log that had none
    Anchor {
        /// Write its file, which must not exist yet
        #[arg(long, required = true)]
        init: bool,
    },
    /// Show the newest events
    Show {
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Only events of this type, such as commit_outcome
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Write the log as plain tlog-tiles, for any verifier (ids, counts and commitments; no personal values)
    Export {
        /// A new directory
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Print the proof that an event is in the log, or that the log only grew since an older checkpoint
    Proof {
        /// The event's index
        #[arg(required_unless_present = "since")]
        index: Option<u64>,
        /// How many entries the older checkpoint has: its second line
        #[arg(long, value_name = "SIZE", conflicts_with = "index")]
        since: Option<u64>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn walk(command: &mut clap::Command, name: &str, texts: &mut String) {
        let help = command.clone().term_width(100).render_long_help();
        texts.push_str(&format!("=== {name}\n{help}\n"));
        for verb in command.get_subcommands_mut() {
            let name = format!("{name} {}", verb.get_name());
            walk(verb, &name, texts);
        }
    }

    /// What users read: a change of it shows in review.
    #[test]
    fn help_texts() {
        let mut texts = String::new();
        walk(&mut Cli::command(), "polder", &mut texts);
        let lines: Vec<&str> = texts.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    /// Texts in backticks that are no commands: the first lines of files.
    const HEADINGS: [&str; 4] = ["polder approval 1", "polder approvers v1", "polder contract v1", "polder recovery share 1"];

    /// What is wrong with a command as a text gives it: a verb that there is none of, or an option that it does not take.
    fn wrong_in(command: &str) -> Option<String> {
        let root = Cli::command();
        let (mut at, mut options): (&clap::Command, Vec<String>) = (&root, Vec::new());
        let mut verbs = true;
        let known = |command: &clap::Command| -> Vec<String> {
            command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect()
        };
        options.extend(known(at));
        for word in command.split_whitespace().skip(1) {
            let word = word.trim_matches(['[', ']', ',', '.']);
            if let Some(option) = word.strip_prefix("--") {
                let option = option.split('=').next().unwrap_or_default();
                if !options.iter().any(|known| known == option) {
                    return Some(format!("--{option} is no option of it"));
                }
                verbs = false;
                continue;
            }
            verbs = verbs && at.has_subcommands();
            if !verbs || !word.starts_with(|first: char| first.is_ascii_lowercase()) {
                verbs = false;
                continue;
            }
            let Some(verb) = at.find_subcommand(word) else { return Some(format!("{word} is no command")) };
            at = verb;
            options.extend(known(at));
        }
        None
    }

    fn texts(dir: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    texts(&path, found);
                }
                continue;
            }
            if !matches!(path.extension().and_then(std::ffi::OsStr::to_str), Some("rs" | "snap" | "md")) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for quoted in text.split("`polder ").skip(1).filter_map(|rest| rest.split('`').next()) {
                let words: Vec<&str> = quoted.split_whitespace().collect();
                found.push((path.display().to_string(), format!("polder {}", words.join(" "))));
            }
        }
    }

    /// An error that names a command which does not exist leaves its reader alone.
    #[test]
    fn every_command_that_a_text_names_exists() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut found = Vec::new();
        for part in ["crates", "docs", "xtask"] {
            texts(&root.join(part), &mut found);
        }
        assert!(found.len() >= 80, "{}", found.len());
        let wrong: Vec<String> = found
            .iter()
            .filter(|(_, command)| !HEADINGS.contains(&command.as_str()))
            .filter_map(|(path, command)| Some(format!("{path}: {command}: {}", wrong_in(command)?)))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // The controls.
        for command in ["polder model check", "polder nothing", "polder keys rotate --everything", "polder init --yes-please x"] {
            assert!(wrong_in(command).is_some(), "{command}");
        }
        for command in ["polder", "polder sql QUERY --output csv", "polder model run", "polder table drop {table} --yes"] {
            assert_eq!(wrong_in(command), None, "{command}");
        }
    }
}
