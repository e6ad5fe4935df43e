//! Sessions over a real installation in a directory of its own. What they read of tables is tested over the wires.

mod factors;

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Parser as _;
use futures::TryStreamExt as _;
use polder_audit::SignInCounters;
use polder_policy::identity::{CertificateChange, Change, Credentials, GrantChange, Kind, Password};
use polder_serve::{Accounts, Answer, Asked, ClientCertificate, Credential, Dialect, Ended, Fault, Origin, Question, Session, Wire};
use polder_types::{ErrorKind, ManualClock, Secret, SystemRng};
use tempfile::TempDir;

use super::Sessions;
use crate::cli::{Cli, Command};
use crate::identities::{Identities, enrolled, signing};
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
        let sessions = Sessions::open(Arc::clone(&installation), Arc::clone(&identities), &limits, Some("https://polder.example")).unwrap();
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
    Origin { wire, address: "192.0.2.7".parse().unwrap(), client: Some("a test".to_owned()), certificate: None }
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
    bed.sessions.close_all(std::time::Duration::from_secs(60)).await;
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

/// A grant to ann for an hour, which the installation's own approver signed; its id.
async fn granted(bed: &Bed) -> String {
    let until_ms = bed.installation.clock.now_ms() + HOUR_MS;
    let (group, account, by, reason) = ("oncall".to_owned(), "ann".to_owned(), "user:olga".to_owned(), "a test".to_owned());
    let asked = Change::Grant(GrantChange::Request { group, account, by, until_ms, reason, hours_max: 24 });
    let id = bed.identities.change(&bed.installation, asked).await.unwrap().grant.unwrap();
    let approvers = enrolled(&bed.installation.project, bed.installation.keys.lineage()).unwrap();
    let request = bed.identities.current().grant_request(&id, &approvers).unwrap();
    let key = bed.dir.path().join("keys/root.approver.key");
    let (by, signature) = signing::signed(&bed.installation, &request, Some(&key)).unwrap();
    bed.change(Change::Grant(GrantChange::Approve { id: id.clone(), by, signature, approvers })).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_ends_with_the_grant_that_it_was_decided_with() {
    let bed = Bed::new(ServingLimits::default()).await;
    bed.change(Change::AddGroup { name: "oncall".to_owned() }).await;
    let session = bed.ann().await;
    let asked = async || match session.ask(question("select 1")).await {
        Ok(Answer::Rows { rows, .. }) => rows,
        _ => panic!("it is answered"),
    };
    let mut before = asked().await;
    let id = granted(&bed).await;
    assert!(before.try_next().await.unwrap().is_some(), "what comes in ends nothing");
    for end in 0..3 {
        let id = if end == 0 { id.clone() } else { granted(&bed).await };
        let mut rows = asked().await;
        // What came of it before, and waits to be given.
        let Ok(Answer::Rows { holds, .. }) = session.ask(question("select 1")).await else { panic!("it is answered") };
        holds.ask().unwrap();
        let mut control = asked().await;
        assert!(control.try_next().await.unwrap().is_some());
        match end {
            0 => bed.clock.advance(HOUR_MS),
            1 => {
                bed.change(Change::Grant(GrantChange::Revoke { id, by: "user:olga".to_owned() })).await;
            }
            _ => {
                // Its approver is struck off, which the next question sees, whoever asks it.
                let file = bed.dir.path().join("project/polder.yaml");
                let text = std::fs::read_to_string(&file).unwrap();
                let kept: Vec<&str> = text.lines().filter(|line| !(line.starts_with("      - ") && line.contains('+'))).collect();
                assert!(kept.len() < text.lines().count(), "{text}");
                std::fs::write(&file, kept.join("\n").replace("approvers:", "approvers: []")).unwrap();
                drop(asked().await);
            }
        }
        let fault = rows.try_next().await.unwrap_err();
        assert_eq!(fault.message(), "answer query: what you may read has changed; ask again", "{end}");
        assert_eq!(holds.ask().unwrap_err(), fault, "{end}");
        assert_eq!((fault.kind(), fault.is_unauthenticated()), (ErrorKind::Denied, false));
        // The session goes on without it.
        let mut rows = asked().await;
        assert!(rows.try_next().await.unwrap().is_some(), "{end}");
        bed.clock.advance(1);
    }
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

const PRINT: [char; 2] = ['a', 'b'];

fn print(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

fn shown(digit: char, asked: Asked) -> Origin {
    Origin { certificate: Some(ClientCertificate { fingerprint: print(digit), asked }), ..origin(Wire::Rest) }
}

impl Bed {
    /// The services `etl` and `reports`, each with a certificate, and a token of the first.
    async fn services(&self) -> String {
        for (name, digit) in ["etl", "reports"].into_iter().zip(PRINT) {
            let (name, groups) = (name.to_owned(), BTreeSet::new());
            self.change(Change::AddAccount { kind: Kind::Service, name: name.clone(), groups, credentials: None }).await;
            let (fingerprint, serial, wires) = (print(digit), "01".to_owned(), BTreeSet::new());
            let expires_ms = self.installation.clock.now_ms() + HOUR_MS;
            let foreign = false;
            self.change(Change::Certificate(CertificateChange::Add { owner: name, fingerprint, serial, wires, expires_ms, foreign })).await;
        }
        let token = Change::MakeToken { owner: "etl".to_owned(), days: 1, wires: BTreeSet::new(), note: None };
        self.change(token).await.unwrap()
    }

    async fn certificate(&self, name: Option<&str>, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.accounts.sign_in(Credential::Certificate { name: name.map(str::to_owned) }, origin).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_lets_in_its_own_service_until_it_is_revoked() {
    let bed = Bed::new(ServingLimits::default()).await;
    bed.services().await;
    let accepted = shown('a', Asked::Accepted);
    let session = bed.certificate(Some("etl"), &accepted).await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!((session.name(), session.principal().as_str()), ("etl", "service:etl"));
    assert_eq!(rows(&session, "select 1").await.unwrap(), 1);
    assert!(bed.certificate(None, &accepted).await.is_ok());
    for (name, origin) in [
        (Some("reports"), accepted.clone()),
        (Some("ann"), accepted.clone()),
        (None, shown('c', Asked::Accepted)),
        // The wire has found none, whatever it says.
        (Some("etl"), origin(Wire::Rest)),
    ] {
        let refused = bed.certificate(name, &origin).await.err().unwrap();
        assert_eq!(refused, Fault::not_signed_in(), "{name:?}");
    }
    let over = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.ended().await }
    });
    bed.change(Change::Certificate(CertificateChange::Revoke { fingerprint: print('a') })).await;
    assert_eq!(over.await.unwrap(), Ended::Revoked);
    assert!(rows(&session, "select 1").await.unwrap_err().is_unauthenticated());
    assert!(bed.certificate(None, &accepted).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_certificate_is_required_whatever_else_is_shown_must_be_of_its_account() {
    let bed = Bed::new(ServingLimits::default()).await;
    let token = bed.services().await;
    let with = async |origin: &Origin| bed.accounts.sign_in(Credential::Token(Secret::new(token.clone())), origin).await;
    let session = with(&shown('a', Asked::Required)).await.unwrap_or_else(|fault| panic!("{fault}"));
    for other in ['b', 'c'] {
        assert_eq!(with(&shown(other, Asked::Required)).await.err().unwrap(), Fault::not_signed_in(), "{other}");
        // Where it is only accepted, the token decides.
        assert!(with(&shown(other, Asked::Accepted)).await.is_ok(), "{other}");
    }
    // It holds no longer than the certificate beside which it began.
    bed.change(Change::Certificate(CertificateChange::Revoke { fingerprint: print('a') })).await;
    assert!(rows(&session, "select 1").await.unwrap_err().is_unauthenticated());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_read_by_whom_a_policy_permits_it_and_move_with_what_happens() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    let refused = || bed.installation.journal.state().refused;
    let before = refused();
    let denied = session.metrics().await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied, "{denied}");
    assert!(denied.message().contains("ReadMetrics"), "{denied}");
    assert_eq!(refused(), before + 1);
    let policies = bed.dir.path().join("project/policies/numbers.cedar");
    let text = "@id(\"ann-reads-numbers\") permit (principal == User::\"ann\", action == Action::\"ReadMetrics\", resource);\n";
    std::fs::write(policies, text).unwrap();
    let number = |text: &str, series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or("0");
        line.trim().parse::<u64>().unwrap()
    };
    let before = session.metrics().await.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(rows(&session, "select 1 union all select 2").await.unwrap(), 2);
    assert!(rows(&session, "select * from planes").await.is_err());
    assert!(bed.password("ann", "not the password of ann").await.is_err());
    let after = session.metrics().await.unwrap();
    for (series, more) in [
        ("polder_questions_total{outcome=\"answered\"}", 1),
        ("polder_questions_total{outcome=\"failed\"}", 1),
        ("polder_rows_sent_total", 2),
        ("polder_sign_in_refusals_total{wire=\"rest\",reason=\"password\"}", 1),
        ("polder_sessions{wire=\"rest\"}", 0),
    ] {
        assert_eq!(number(&after, series), number(&before, series) + more, "{series}:\n{after}");
    }
    for private in ["ann", "planes"] {
        assert!(!after.contains(private), "{private}: {after}");
    }
    // That it reads them is recorded once, and not each time.
    let entries = bed.installation.journal.size();
    session.metrics().await.unwrap();
    assert_eq!(bed.installation.journal.size(), entries);
    session.close().await;
    assert!(session.metrics().await.unwrap_err().is_unauthenticated());
}
