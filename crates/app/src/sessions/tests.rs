//! Sessions over a real installation in a directory of its own. What they read of tables is tested over the wires.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Parser as _;
use futures::TryStreamExt as _;
use polder_audit::SignInCounters;
use polder_policy::identity::{Change, Credentials, Kind, Password};
use polder_serve::{Accounts, Answer, Credential, Dialect, Ended, Fault, Origin, Question, Session, Wire};
use polder_types::{ErrorKind, ManualClock, Secret, SystemRng};
use tempfile::TempDir;

use super::Sessions;
use crate::cli::{Cli, Command};
use crate::identities::Identities;
use crate::installation::Installation;
use crate::project::Project;
use crate::settings::ServingLimits;

const PASSWORD: &str = "four words and a half";
const HOUR_MS: i64 = 3_600_000;

struct Bed {
    sessions: Sessions,
    accounts: Arc<dyn Accounts>,
    identities: Arc<Identities>,
    installation: Arc<Installation>,
    clock: Arc<ManualClock>,
    dir: TempDir,
}

impl Bed {
    async fn new(limits: ServingLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (project, key) = (dir.path().join("project"), dir.path().join("keys/root.key"));
        let words = ["polder", "init", project.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
        let Command::Init(args) = Cli::parse_from(words).command else { panic!("it is `init`") };
        crate::command::init::init(&args).await.unwrap();
        let mut installation = Installation::open(Project::find(Some(&project), "default").unwrap(), None).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        clock.advance(1_800_000_000_000);
        installation.clock = Arc::clone(&clock) as Arc<dyn polder_types::Clock>;
        let identities = Arc::new(Identities::open(&installation).await.unwrap());
        let installation = Arc::new(installation);
        let sessions = Sessions::open(Arc::clone(&installation), Arc::clone(&identities), &limits).unwrap();
        let bed = Self { accounts: sessions.accounts(), sessions, identities, installation, clock, dir };
        let credentials = Credentials::new(&Password::new("ann", PASSWORD).unwrap(), &SystemRng).unwrap();
        let (name, groups) = ("ann".to_owned(), BTreeSet::new());
        bed.change(Change::AddAccount { kind: Kind::User, name, groups, credentials: Some(credentials) }).await;
        bed
    }

    async fn change(&self, change: Change) -> Option<String> {
        let changed = self.identities.change(&self.installation, change).await.unwrap();
        changed.token.map(|(_, text)| text.expose_secret().clone())
    }

    async fn password(&self, name: &str, password: &str) -> Result<Arc<dyn Session>, Fault> {
        let credential = Credential::Password { name: name.to_owned(), password: Secret::new(password.to_owned()) };
        self.accounts.sign_in(credential, &origin(Wire::Rest)).await
    }

    async fn ann(&self) -> Arc<dyn Session> {
        self.password("ann", PASSWORD).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn sign_ins(&self) -> SignInCounters {
        self.installation.journal.state().sign_ins
    }
}

fn origin(wire: Wire) -> Origin {
    Origin { wire, address: "192.0.2.7".parse().unwrap(), client: Some("a test".to_owned()) }
}

fn question(sql: &str) -> Question {
    Question { sql: sql.to_owned(), ..Question::default() }
}

/// How many rows there are.
async fn rows(session: &Arc<dyn Session>, sql: &str) -> Result<usize, Fault> {
    match session.ask(question(sql)).await? {
        Answer::Rows { rows, .. } => Ok(rows.try_collect::<Vec<_>>().await?.iter().map(|batch| batch.num_rows()).sum()),
        Answer::Done(word) => panic!("{sql} was answered {word}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_is_answered_until_the_session_ends() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    assert_eq!((session.name(), session.principal().as_str()), ("ann", "user:ann"));
    assert_eq!(rows(&session, "select 1 union all select 2").await.unwrap(), 2);
    let described = session.describe(&question("select 1 as one")).await.unwrap();
    assert_eq!(described.columns.unwrap().field(0).name(), "one");
    let set = session.ask(question("set polder.purpose = 'billing'")).await.unwrap();
    assert!(matches!(set, Answer::Done("SET")));
    let fault = rows(&session, "select * from planes").await.unwrap_err();
    assert_eq!((fault.sqlstate(), fault.kind()), ("42P01", ErrorKind::NotFound));
    assert_eq!(session.ask(question("select 'a")).await.unwrap_err().position(), Some(8));
    assert!(session.tables().await.unwrap().is_empty());
    session.close().await;
    session.close().await;
    let counted = SignInCounters { let_in: 1, refused: 0, ended: 1 };
    assert_eq!(bed.sign_ins(), counted);
    assert!(rows(&session, "select 1").await.unwrap_err().is_unauthenticated());
    drop(session);
    // Who goes without a word has an end in the log too, and who is there when serving ends.
    drop(bed.ann().await);
    let session = bed.ann().await;
    bed.sessions.close_all().await;
    assert_eq!(bed.sign_ins(), SignInCounters { let_in: 3, refused: 0, ended: 3 });
    assert!(rows(&session, "select 1").await.unwrap_err().is_unauthenticated());
}

/// Law 4 holds for what reads no table, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_of_the_catalog_is_recorded() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    let counted = || bed.installation.journal.state().reads;
    let before = counted();
    let asked = async |sql: &str| {
        let question = Question { dialect: Dialect::Postgres, ..question(sql) };
        match session.ask(question).await? {
            Answer::Rows { request, .. } => Ok::<_, Fault>(request),
            Answer::Done(word) => panic!("{sql} was answered {word}"),
        }
    };
    for sql in ["select 1", "select version()", "select nspname from pg_catalog.pg_namespace"] {
        assert!(asked(sql).await.unwrap().is_some(), "{sql}");
    }
    assert!(session.tables().await.unwrap().is_empty());
    let after = counted();
    assert_eq!((after.allowed - before.allowed, after.finished - before.finished), (4, 4));
    assert_eq!(after.rows - before.rows, 5, "a row each, and the three schemas; of tables none");
    assert_eq!(asked("select nothing from pg_catalog.pg_namespace").await.unwrap_err().sqlstate(), "42703");
    assert_eq!(counted().allowed, after.allowed, "what failed was refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_reads_the_same_and_is_recorded() {
    let bed = Bed::new(ServingLimits::default()).await;
    let wires = BTreeSet::from(["postgres".to_owned()]);
    let token = bed.change(Change::MakeToken { owner: "ann".to_owned(), days: 1, wires, note: None }).await.unwrap();
    let mut faults = Vec::new();
    for (name, password) in
        [("ann", "another password"), ("nobody", PASSWORD), ("ann", ""), ("ann", token.as_str()), ("bob", token.as_str())]
    {
        faults.push(bed.password(name, password).await.err().unwrap());
    }
    for text in ["polder_x", token.as_str()] {
        let credential = Credential::Token(Secret::new(text.to_owned()));
        faults.push(bed.accounts.sign_in(credential, &origin(Wire::Rest)).await.err().unwrap());
    }
    assert!(faults.iter().all(|fault| *fault == Fault::not_signed_in()), "{faults:?}");
    bed.accounts.turned_away(&origin(Wire::Rest), "handshake").await;
    assert_eq!(bed.sign_ins(), SignInCounters { let_in: 0, refused: 8, ended: 0 });
    // The control: the token is one, on the way in that it is for.
    let credential = Credential::Token(Secret::new(token));
    assert!(bed.accounts.sign_in(credential, &origin(Wire::Postgres)).await.is_ok());
    // What begins an exchange tells nothing of who there is.
    let challenge = async |name: &str| bed.accounts.challenge(name, &origin(Wire::Postgres)).await.unwrap();
    let (ann, nobody) = (challenge("ann").await, challenge("nobody").await);
    assert_eq!((ann.salt.len(), ann.iterations), (nobody.salt.len(), nobody.iterations));
    assert_eq!(nobody, challenge("nobody").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_is_over_at_once() {
    let bed = Bed::new(ServingLimits::default()).await;
    let (kind, name) = (Kind::User, "ann".to_owned());
    for change in
        [Change::Revoke { kind, name: name.clone() }, Change::Disable { kind, name: name.clone() }, Change::RemoveAccount { kind, name }]
    {
        let session = bed.ann().await;
        let Ok(Answer::Rows { mut rows, .. }) = session.ask(question("select 1")).await else { panic!("it is answered") };
        let ((), ended) = tokio::join!(
            async {
                bed.change(change.clone()).await;
            },
            session.ended()
        );
        assert_eq!(ended, Ended::Revoked, "{change:?}");
        assert!(session.ask(question("select 1")).await.unwrap_err().is_unauthenticated());
        assert!(session.describe(&question("select 1")).await.unwrap_err().is_unauthenticated());
        assert!(session.tables().await.unwrap_err().is_unauthenticated());
        // Nor is what was asked before given any more.
        assert!(rows.try_next().await.unwrap_err().is_unauthenticated());
        if matches!(change, Change::Disable { .. }) {
            assert!(bed.password("ann", PASSWORD).await.is_err());
            bed.change(Change::Enable { kind, name: "ann".to_owned() }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_an_end() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    bed.clock.advance(59 * 60_000);
    assert_eq!(rows(&session, "select 1").await.unwrap(), 1);
    bed.clock.advance(HOUR_MS);
    assert_eq!(session.ended().await, Ended::Idle);
    let session = bed.ann().await;
    for _ in 0..13 {
        bed.clock.advance(55 * 60_000);
        assert_eq!(rows(&session, "select 1").await.unwrap(), 1);
    }
    bed.clock.advance(10 * 60_000);
    assert_eq!(session.ended().await, Ended::Expired);
    let wires = BTreeSet::from(["rest".to_owned()]);
    let token = bed.change(Change::MakeToken { owner: "ann".to_owned(), days: 1, wires, note: None }).await.unwrap();
    bed.clock.advance(23 * HOUR_MS + 1);
    let session = bed.accounts.sign_in(Credential::Token(Secret::new(token)), &origin(Wire::Rest)).await;
    let session = session.unwrap_or_else(|fault| panic!("{fault}"));
    bed.clock.advance(59 * 60_000);
    assert_eq!(rows(&session, "select 1").await.unwrap(), 1);
    bed.clock.advance(60_000);
    assert_eq!(session.ended().await, Ended::Expired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_deny_all_until_they_can() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    let project = bed.dir.path().join("project");
    for (file, text) in [
        ("policies/broken.cedar", "permit (principal, action, resource) when { secret_word };"),
        ("models/broken.sql", "select secret_word from"),
        ("contracts/broken.odcs.yaml", "secret_word: yes"),
    ] {
        let path = project.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        bed.clock.advance(250);
        for _ in 0..2 {
            let fault = rows(&session, "select 1").await.unwrap_err();
            let wanted = format!(
                "answer query: {file} cannot be used as it is, so nothing is answered; whoever keeps the project can mend it, and `polder ci` says what is wrong with it"
            );
            assert_eq!((fault.message(), fault.kind()), (wanted.as_str(), ErrorKind::Unavailable));
            assert!(session.tables().await.is_err() && session.describe(&question("select 1")).await.is_err());
        }
        std::fs::remove_file(&path).unwrap();
        bed.clock.advance(250);
        assert_eq!(rows(&session, "select 1").await.unwrap(), 1, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_principal_asks_so_many_questions_at_once() {
    let bed = Bed::new(ServingLimits { statements_per_principal: 1, ..ServingLimits::default() }).await;
    let (one, other) = (bed.ann().await, bed.ann().await);
    let Ok(Answer::Rows { rows: mut answer, .. }) = one.ask(question("select 1")).await else { panic!("it is answered") };
    let fault = other.ask(question("select 1")).await.unwrap_err();
    assert_eq!((fault.sqlstate(), fault.kind()), ("53400", ErrorKind::Unavailable));
    // An answer that was read to its end counts no more, though it is still held.
    while answer.try_next().await.unwrap().is_some() {}
    assert_eq!(rows(&other, "select 1").await.unwrap(), 1);
    drop(answer);
}

/// A driver looks a column's type up in the catalog, and reads its values as the wire says: both must say the same.
#[test]
fn the_catalog_names_the_types_that_the_wire_sends() {
    use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
    let field = |item: &DataType| Arc::new(Field::new("item", item.clone(), true));
    let plain = [
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, 0),
        DataType::Decimal128(38, 10),
        DataType::Decimal128(10, -2),
        DataType::Decimal256(76, 76),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(16),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Duration(TimeUnit::Second),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Struct(Fields::from(vec![Field::new("a", DataType::Int8, true)])),
        DataType::Map(
            field(&DataType::Struct(Fields::from(vec![Field::new("k", DataType::Utf8, false), Field::new("v", DataType::Utf8, true)]))),
            false,
        ),
    ];
    let within = |item: &DataType| {
        [
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(item.clone())),
            DataType::List(field(item)),
            DataType::LargeList(field(item)),
            DataType::FixedSizeList(field(item), 2),
            DataType::ListView(field(item)),
            DataType::LargeListView(field(item)),
        ]
    };
    let once: Vec<DataType> = plain.iter().flat_map(within).collect();
    let twice: Vec<DataType> = once.iter().flat_map(within).collect();
    for data_type in plain.iter().chain(&once).chain(&twice) {
        let told = polder_engine::type_of(data_type);
        assert_eq!((told.oid, told.len, told.typmod), polder_serve::type_numbers(data_type), "{data_type}");
    }
}
