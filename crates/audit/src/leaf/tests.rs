use polder_types::event::{Counts, GrantInfo, IdentityChange, KeyChange, SkipReason, Trigger};
use polder_types::{DatasetId, LineageId, NameId, RequestId, RunId, SeededRng, SessionId, TicketId};

use super::*;

/// One event of every kind, so that a new kind is not forgotten in class, encoding or projection.
pub(crate) fn one_of_each() -> Vec<EventKind> {
    let dataset = DatasetId([1; 16]);
    let run = RunId([2; 16]);
    let request = RequestId([3; 16]);
    let session = SessionId([11; 16]);
    let counts = Counts { read: 10, independent: true, loaded: 8, rejected: 1, quarantined: 1, ..Counts::default() };
    let log_hash = "ab".repeat(32);
    let all = vec![
        EventKind::InstallationCreated { lineage: LineageId([9; 16]) },
        EventKind::LeaseTaken { epoch: 1 },
        EventKind::ContractApproved { dataset: Some(dataset), contract_hash: log_hash.clone() },
        EventKind::RunStarted { run, batches: 1 },
        EventKind::TableClassified { dataset, classification: Some("confidential".to_owned()), contract_hash: log_hash.clone() },
        EventKind::BatchStarted { run, dataset, sequence: 1, contract_hash: log_hash.clone() },
        EventKind::CommitIntent {
            dataset,
            operation: TableOperation::Append,
            sequence: 1,
            version: 1,
            log_hash: log_hash.clone(),
            epoch: 1,
        },
        EventKind::CommitOutcome {
            dataset,
            operation: TableOperation::Append,
            sequence: 1,
            version: 1,
            log_hash,
            result: CommitResult::Committed,
            counts: Some(counts),
        },
        EventKind::BatchFailed { run, dataset, counts: None, error: "contract_violated".to_owned() },
        EventKind::QuarantineWritten { run, dataset, sequence: 1, rows: 1, object: Some("quarantine/01/1".to_owned()) },
        EventKind::ProfileWritten { dataset, object: "profiles/01/1".to_owned(), records: 10 },
        EventKind::ContentInspected {
            run,
            dataset,
            found: [("formula".to_owned(), 2)].into_iter().collect(),
            waived: [("markup".to_owned(), 1)].into_iter().collect(),
        },
        EventKind::RunFinished { run, committed: 1, failed: 0 },
        EventKind::RunTriggered {
            run,
            trigger: Trigger::Schedule,
            pipeline: Some(NameId([4; 16])),
            attempt: 2,
            retry_of: Some(RunId([5; 16])),
            due_ms: Some(1_700_000_000_000),
        },
        EventKind::StepFinished {
            run,
            step: NameId([6; 16]),
            dataset: Some(dataset),
            status: "committed".to_owned(),
            counts: Some(counts),
            error: Some("unavailable".to_owned()),
            started_ms: 1_700_000_000_000,
        },
        EventKind::RunConcluded {
            run,
            pipeline: Some(NameId([4; 16])),
            result: RunResult::Failed,
            error: Some("unavailable".to_owned()),
            again: true,
        },
        EventKind::DueSkipped { pipeline: NameId([4; 16]), reason: SkipReason::Overlap, first_ms: 1, last_ms: 2, times: 2 },
        EventKind::FreshnessJudged {
            pipeline: NameId([4; 16]),
            table: NameId([6; 16]),
            missed: true,
            newest_ms: Some(1_700_000_000_000),
            max_age_seconds: 3_600,
        },
        EventKind::NoticeSent {
            pipeline: NameId([4; 16]),
            run: Some(run),
            notice: "failure".to_owned(),
            phase: Phase::Aborted,
            receivers: 3,
            failed: 1,
        },
        EventKind::ReadDecided {
            request,
            datasets: vec![dataset],
            allowed: true,
            policies: vec!["default".to_owned()],
            session: Some(session),
            grants: vec!["0a1b2c3d4e".to_owned()],
        },
        EventKind::ReadFinished { request, rows: 10, complete: true, bytes: Some(80) },
        EventKind::PushDecided { run, dataset: Some(dataset), policies: vec!["default".to_owned()], session },
        EventKind::KeysChanged {
            change: KeyChange::Destroyed,
            phase: Phase::Outcome,
            dataset: Some(dataset),
            key_version: Some(1),
            keyring_version: 2,
        },
        EventKind::DestructionPrepared { dataset, key_version: 1, part: 0, objects: vec!["tables/01/part-0.parquet".to_owned()] },
        EventKind::AnchorBegun { phase: Phase::Intent },
        EventKind::TableMaintained { dataset, operation: TableOperation::Vacuum, phase: Phase::Intent, files: 3 },
        EventKind::RowsErased {
            dataset,
            phase: Phase::Outcome,
            rows: 3,
            refused: 2,
            undecided: 1,
            models: [(DatasetId([8; 16]), 5)].into_iter().collect(),
            version: 7,
            objects: 9,
        },
        EventKind::QuarantineErased { dataset, object: "quarantine/01/1".to_owned(), rows: 2, left: 1 },
        EventKind::IntegrityFailed { object: "tables/01/part-0.parquet".to_owned() },
        EventKind::IntegrityVerified { entries: 12, files: 34 },
        EventKind::Refused { action: "read".to_owned(), error: "denied".to_owned() },
        EventKind::ServiceChanged { phase: Phase::Intent, listeners: 2, reason: "asked".to_owned() },
        EventKind::CertificateChanged {
            phase: Phase::Outcome,
            version: 2,
            hash: "ef".repeat(32),
            authority: "01".repeat(32),
            server: "02".repeat(32),
        },
        EventKind::IdentityChanged {
            change: IdentityChange::TokenMade,
            phase: Phase::Outcome,
            subject: NameId([7; 16]),
            version: 3,
            hash: "cd".repeat(32),
            grant: Some(GrantInfo { id: Some("0a1b2c3d4e".to_owned()), group: Some(NameId([9; 16])), until_ms: Some(5) }),
        },
        EventKind::SignedIn { session, subject: NameId([7; 16]), wire: "postgres".to_owned(), method: "scram".to_owned() },
        EventKind::SignInRefused { wire: "rest".to_owned(), reason: "token".to_owned(), subject: Some(NameId([7; 16])) },
        EventKind::SessionEnded { session, reason: "closed".to_owned() },
        EventKind::SessionTokenMade {
            ticket: TicketId([8; 16]),
            subject: NameId([7; 16]),
            wire: "rest".to_owned(),
            session: Some(session),
            expires_ms: 1_800_000_000_000,
        },
        EventKind::SessionTokenEnded { ticket: TicketId([8; 16]), reason: "closed".to_owned() },
    ];
    let names: std::collections::BTreeSet<String> =
        all.iter().map(|kind| serde_json::to_value(kind).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), all.len());
    all
}

fn actor() -> PrincipalId {
    PrincipalId::new("user", "ann").unwrap()
}

#[test]
fn every_kind_reads_back_from_its_canonical_leaf() {
    let rng = SeededRng::new(1);
    for kind in one_of_each() {
        let event = Event::new(&actor(), kind.clone()).with("sql", "select 'é\u{0}\u{1F600}'");
        let entry = Prepared::new(event, &rng).unwrap().encode(1_700_000_000_123, &crate::side::name(5, [7; 8])).unwrap();
        let leaf = Leaf::parse_canonical(&entry).unwrap();
        assert_eq!(*leaf.event(), kind);
        assert_eq!((leaf.time, leaf.side()), (1_700_000_000_123, "00000000000000000005-0707070707070707"));
        assert_eq!(leaf.type_uid, leaf.class_uid * 100 + leaf.activity_id);
        assert_eq!(leaf.category_uid, leaf.class_uid / 1000);
        let text = String::from_utf8(entry.clone()).unwrap();
        assert!(!text.contains("ann") && !text.contains("select"), "{text}");
        assert_eq!(serde_json_canonicalizer::pipe(&text).unwrap(), text);
    }
}

#[test]
fn another_way_of_writing_the_same_event_is_refused() {
    let event = Event::new(&actor(), EventKind::LeaseTaken { epoch: 1 });
    let entry = Prepared::new(event, &SeededRng::new(1)).unwrap().encode(5, "s").unwrap();
    let text = String::from_utf8(entry).unwrap();
    assert!(Leaf::parse_canonical(text.as_bytes()).is_ok());
    for (from, to) in [(":5,", ": 5,"), (":5,", ":5.0,"), ("\"time\"", "\"tim\\u0065\""), ("{\"act", "{\"aaa\":1,\"act")] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Leaf::parse_canonical(changed.as_bytes()).is_err(), "{changed}");
    }
}

#[test]
fn a_number_that_json_would_change_is_refused() {
    let rng = SeededRng::new(1);
    let event = |epoch| Event::new(&actor(), EventKind::LeaseTaken { epoch });
    assert!(Prepared::new(event(INTEGER_MAX), &rng).is_ok());
    assert!(matches!(Prepared::new(event(INTEGER_MAX + 1), &rng), Err(Error::NumberTooLarge)));
}

#[test]
fn the_longest_leaf_fits_and_no_longer_one() {
    let rng = SeededRng::new(1);
    let event = |length| Event::new(&actor(), EventKind::Refused { action: "x".repeat(length), error: String::new() });
    let short = Prepared::new(event(0), &rng).unwrap().encode(i64::from(i32::MIN) << 20, &crate::side::name(0, [0; 8])).unwrap().len();
    let longest = LEAF_MAX_BYTES - short;
    let prepared = Prepared::new(event(longest), &rng).unwrap();
    assert!(prepared.encode(1_700_000_000_123, &crate::side::name(u64::MAX, [255; 8])).unwrap().len() <= LEAF_MAX_BYTES);
    assert!(matches!(Prepared::new(event(longest + 1), &rng), Err(Error::EventTooLarge { .. })));
    let private = Event::new(&actor(), EventKind::LeaseTaken { epoch: 1 }).with("sql", "x".repeat(PRIVATE_MAX_BYTES + 1));
    assert!(matches!(Prepared::new(private, &rng), Err(Error::EventTooLarge { .. })));
}

#[test]
fn equal_values_have_different_commitments_and_open_only_to_themselves() {
    let rng = SeededRng::new(1);
    let event = || Event::new(&actor(), EventKind::LeaseTaken { epoch: 1 }).with("sql", "select 1").with("other", "select 1");
    let one = Prepared::new(event(), &rng).unwrap();
    let two = Prepared::new(event(), &rng).unwrap();
    let all = [&one.commitments.actor, &one.commitments.values["sql"], &one.commitments.values["other"], &two.commitments.actor];
    let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(one.opening.commitments(), one.commitments);
    let mut changed = one.opening.clone();
    changed.actor.value.push('x');
    assert_ne!(changed.commitments(), one.commitments);
}
