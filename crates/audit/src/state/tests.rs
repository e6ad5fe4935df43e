use polder_types::event::{GrantInfo, RunResult, SkipReason, Trigger};

use super::*;

const DATASET: DatasetId = DatasetId([1; 16]);

fn intent(version: u64, hash: &str) -> EventKind {
    EventKind::CommitIntent {
        dataset: DATASET,
        operation: TableOperation::Append,
        sequence: version + 10,
        version,
        log_hash: hash.to_owned(),
        epoch: 4,
    }
}

fn outcome(version: u64, hash: &str, result: CommitResult) -> EventKind {
    EventKind::CommitOutcome {
        dataset: DATASET,
        operation: TableOperation::Append,
        sequence: version + 10,
        version,
        log_hash: hash.to_owned(),
        result,
        counts: None,
    }
}

fn after(events: &[EventKind]) -> State {
    let mut state = State::default();
    for (index, event) in (0u64..).zip(events) {
        state.apply(index, 1000 + index as i64, event);
    }
    state
}

#[test]
fn an_intent_is_open_until_its_own_outcome() {
    let state = after(&[intent(1, "aa")]);
    assert!(state.tables.is_empty(), "an intent makes nothing visible");
    assert_eq!((state.open_intents.len(), state.open_intents[0].index, state.epoch, state.size), (1, 0, 4, 1));

    let state = after(&[intent(1, "aa"), outcome(1, "bb", CommitResult::Aborted), outcome(2, "aa", CommitResult::Aborted)]);
    assert_eq!(state.open_intents.len(), 1, "outcomes of other commits do not close it");

    let state = after(&[intent(1, "aa"), outcome(1, "aa", CommitResult::Aborted)]);
    assert!(state.open_intents.is_empty() && state.tables.is_empty());

    for result in [CommitResult::Committed, CommitResult::Recovered] {
        let state = after(&[intent(1, "aa"), outcome(1, "aa", result)]);
        let head = &state.tables[&DATASET];
        assert_eq!((head.version, head.log_hash.as_str(), head.sequence), (1, "aa", 11));
        assert_eq!((head.versions.len(), head.versions[0].index, head.versions[0].time_ms), (1, 1, 1001));
        assert_eq!(head.versions[0].recovered, result == CommitResult::Recovered);
        assert!(state.open_intents.is_empty());
    }
}

#[test]
fn an_outcome_never_takes_a_table_back() {
    let state = after(&[
        outcome(1, "aa", CommitResult::Committed),
        outcome(2, "bb", CommitResult::Committed),
        outcome(1, "cc", CommitResult::Committed),
    ]);
    let head = &state.tables[&DATASET];
    assert_eq!((head.version, head.log_hash.as_str(), head.versions.len()), (2, "bb", 2));
}

#[test]
fn keys_and_maintenance_are_open_between_intent_and_outcome() {
    let keys = |phase, keyring_version| EventKind::KeysChanged {
        change: KeyChange::RootRotated,
        phase,
        dataset: None,
        key_version: None,
        keyring_version,
    };
    let state = after(&[keys(Phase::Intent, 5)]);
    assert_eq!((state.open_key_changes.len(), state.keyring_version), (1, 0));
    assert_eq!(after(&[keys(Phase::Intent, 5), keys(Phase::Aborted, 5)]).keyring_version, 0);
    let state = after(&[keys(Phase::Intent, 5), keys(Phase::Outcome, 5), keys(Phase::Outcome, 3)]);
    assert_eq!((state.open_key_changes.len(), state.keyring_version), (0, 5));

    let maintained = |phase| EventKind::TableMaintained { dataset: DATASET, operation: TableOperation::Optimize, phase, files: 1 };
    assert_eq!(after(&[maintained(Phase::Intent)]).open_maintenance.len(), 1);
    assert_eq!(after(&[maintained(Phase::Intent), maintained(Phase::Outcome)]).open_maintenance.len(), 0);
}

#[test]
fn only_what_was_listed_before_a_destruction_went_with_its_key() {
    let prepared =
        |part, object: &str| EventKind::DestructionPrepared { dataset: DATASET, key_version: 1, part, objects: vec![object.to_owned()] };
    let keys = |change, phase| EventKind::KeysChanged { change, phase, dataset: Some(DATASET), key_version: Some(1), keyring_version: 7 };
    let pending = |phase| keys(KeyChange::DestructionPending, phase);
    let state = after(&[prepared(0, "a"), prepared(1, "b")]);
    assert_eq!(state.destroyed(DATASET, 1, "a"), None, "a preparation destroys nothing");
    // Killed between intent and outcome: whether the key is gone, the keyring says.
    let state = after(&[prepared(0, "a"), prepared(1, "b"), pending(Phase::Intent)]);
    assert_eq!(state.destroyed(DATASET, 1, "b"), Some(Recorded { index: 2, time_ms: 1002 }));
    let state = after(&[prepared(0, "a"), pending(Phase::Intent), pending(Phase::Aborted)]);
    assert!(state.destroyed(DATASET, 1, "a").is_none() && state.destroyed_objects(DATASET).next().is_none());
    let done = [prepared(0, "a"), prepared(0, "b"), prepared(1, "c"), pending(Phase::Intent), pending(Phase::Outcome), prepared(0, "d")];
    let state = after(&done);
    let at = Recorded { index: 4, time_ms: 1004 };
    assert_eq!(state.destroyed_objects(DATASET).collect::<Vec<_>>(), [("b", 1, at), ("c", 1, at)], "the first list came to nothing");
    for (version, object) in [(1, "a"), (1, "d"), (2, "b")] {
        assert_eq!(state.destroyed(DATASET, version, object), None, "{version} {object}");
    }
    let done: Vec<EventKind> = done.into_iter().chain([keys(KeyChange::Destroyed, Phase::Outcome)]).collect();
    assert_eq!(after(&done).destructions[&DATASET][&1].complete, Some(Recorded { index: 6, time_ms: 1006 }));
}

#[test]
fn a_dropped_table_leaves_nothing_that_must_be_there() {
    let drop = |phase| EventKind::TableMaintained { dataset: DATASET, operation: TableOperation::Drop, phase, files: 1 };
    let kept = EventKind::QuarantineWritten { run: RunId([1; 16]), dataset: DATASET, sequence: 11, rows: 3, object: Some("q".to_owned()) };
    let classified =
        EventKind::TableClassified { dataset: DATASET, classification: Some("personal".to_owned()), contract_hash: "cc".to_owned() };
    let before = [outcome(1, "aa", CommitResult::Committed), intent(2, "bb"), kept, classified];
    let state = after(&before);
    assert_eq!((state.quarantine[&DATASET]["q"].rows, state.dropping(DATASET)), (3, false));
    let events: Vec<EventKind> = before.into_iter().chain([drop(Phase::Intent)]).collect();
    let state = after(&events);
    assert!(state.dropping(DATASET) && !state.tables.is_empty(), "until it is done the next writer must know what to finish");
    let events: Vec<EventKind> = events.into_iter().chain([drop(Phase::Outcome)]).collect();
    let state = after(&events);
    assert!(!state.dropping(DATASET) && state.tables.is_empty() && state.open_intents.is_empty() && state.quarantine.is_empty());
    assert!(state.classifications.is_empty());
}

#[test]
fn an_erasure_stays_open_until_its_outcome() {
    let erased = |phase, rows| EventKind::RowsErased {
        dataset: DATASET,
        phase,
        rows,
        refused: 2,
        undecided: 0,
        models: std::collections::BTreeMap::new(),
        version: 4,
        objects: 9,
    };
    let state = after(&[erased(Phase::Intent, 3), erased(Phase::Intent, 5)]);
    assert_eq!((state.open_erasures[&DATASET].rows, state.open_erasures[&DATASET].index), (5, 1), "the newer one takes its place");
    let state = after(&[erased(Phase::Intent, 3), erased(Phase::Outcome, 3)]);
    assert_eq!((state.open_erasures.len(), state.erased.done, state.erased.rows), (0, 1, 3));
    let drop = EventKind::TableMaintained { dataset: DATASET, operation: TableOperation::Drop, phase: Phase::Outcome, files: 1 };
    assert!(after(&[erased(Phase::Intent, 3), drop]).open_erasures.is_empty(), "of a dropped table nothing is left to erase");
}

#[test]
fn refused_rows_that_are_erased_are_missed_no_more() {
    let kept = |object: &str| EventKind::QuarantineWritten {
        run: RunId([1; 16]),
        dataset: DATASET,
        sequence: 1,
        rows: 3,
        object: Some(object.to_owned()),
    };
    let erased = |object: &str, left| EventKind::QuarantineErased { dataset: DATASET, object: object.to_owned(), rows: 3 - left, left };
    let state = after(&[kept("a"), kept("b"), erased("a", 0), erased("b", 1)]);
    assert_eq!(state.quarantine[&DATASET].iter().map(|(object, kept)| (object.as_str(), kept.rows)).collect::<Vec<_>>(), [("b", 1)]);
}

#[test]
fn no_version_before_an_erasure_can_be_read() {
    let erased = EventKind::CommitOutcome {
        dataset: DATASET,
        operation: TableOperation::Erase,
        sequence: 11,
        version: 2,
        log_hash: "bb".to_owned(),
        result: CommitResult::Recovered,
        counts: None,
    };
    let before = after(&[outcome(1, "aa", CommitResult::Committed)]);
    assert_eq!(before.tables[&DATASET].oldest_readable(), 0);
    let state = after(&[outcome(1, "aa", CommitResult::Committed), erased, outcome(3, "cc", CommitResult::Committed)]);
    assert_eq!((state.tables[&DATASET].oldest_readable(), state.tables[&DATASET].versions.len()), (2, 3));
}

/// However often a run is killed, what is remembered of such runs does not grow without end.
#[test]
fn of_runs_that_never_ended_the_newest_are_remembered() {
    let id = |n: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        RunId(id)
    };
    let ended = [EventKind::RunStarted { run: id(5_000), batches: 1 }, EventKind::RunFinished { run: id(5_000), committed: 1, failed: 0 }];
    let killed = (0..1_200).map(|n| match n % 2 {
        0 => EventKind::RunStarted { run: id(n), batches: 1 },
        _ => triggered(id(n), 1, 500),
    });
    let state = after(&ended.into_iter().chain(killed).collect::<Vec<_>>());
    assert!(state.runs.contains_key(&id(5_000)), "they take no finished one's place");
    assert_eq!(state.runs.len(), 1_001);
    assert!(!state.runs.contains_key(&id(199)) && state.runs.contains_key(&id(200)) && state.runs.contains_key(&id(1_199)));
}

#[test]
fn old_finished_runs_are_forgotten_and_a_newer_unfinished_one_is_not() {
    let mut events = Vec::new();
    for n in 0..1_200u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        events.push(EventKind::RunStarted { run: RunId(id), batches: 1 });
        if n != 7 {
            events.push(EventKind::RunFinished { run: RunId(id), committed: 1, failed: 0 });
        }
    }
    let state = after(&events);
    assert_eq!(state.runs.len(), 1_001);
    assert_eq!(state.runs.values().filter(|info| info.finished.is_none()).count(), 1);
}

const PIPELINE: NameId = NameId([3; 16]);

fn triggered(run: RunId, attempt: u32, due_ms: i64) -> EventKind {
    let trigger = if attempt == 1 { Trigger::Schedule } else { Trigger::Retry };
    EventKind::RunTriggered { run, trigger, pipeline: Some(PIPELINE), attempt, retry_of: None, due_ms: Some(due_ms) }
}

fn step(run: RunId, step: u8, error: Option<&str>) -> EventKind {
    EventKind::StepFinished {
        run,
        step: NameId([step; 16]),
        dataset: None,
        status: if error.is_some() { "failed" } else { "committed" }.to_owned(),
        counts: None,
        error: error.map(str::to_owned),
        started_ms: 5,
    }
}

fn concluded(run: RunId, result: RunResult, again: bool) -> EventKind {
    EventKind::RunConcluded { run, pipeline: Some(PIPELINE), result, error: None, again }
}

#[test]
fn a_triggered_run_keeps_what_it_was_asked_for_by() {
    let run = RunId([8; 16]);
    let events = [triggered(run, 1, 500), EventKind::RunStarted { run, batches: 2 }, step(run, 1, None), step(run, 2, Some("unavailable"))];
    let state = after(&events);
    let info = &state.runs[&run];
    assert_eq!((info.index, info.started_ms, info.batches, info.steps_finished, info.steps_failed), (0, 1000, 2, 2, 1));
    assert_eq!((info.triggered.unwrap().attempt, info.triggered.unwrap().due_ms, info.finished), (1, Some(500), None));
    let events: Vec<EventKind> = events.into_iter().chain([EventKind::RunFinished { run, committed: 1, failed: 1 }]).collect();
    let state = after(&events);
    assert_eq!(state.runs[&run].finished, Some(RunEnd { time_ms: 1004, committed: 1, failed: 1, index: 4 }));
    let events: Vec<EventKind> = events.into_iter().chain([concluded(run, RunResult::Failed, true)]).collect();
    let state = after(&events);
    assert_eq!(state.runs[&run].finished.unwrap().index, 4, "what its batches came to was told");
    assert!(state.runs[&run].concluded.as_ref().unwrap().again);
    assert_eq!(state.pipelines[&PIPELINE].failing, None, "another attempt follows");
}

/// A run that could not begin, or whose process was killed, has no `RunFinished`.
#[test]
fn a_run_that_was_broken_off_ends_with_its_conclusion() {
    let run = RunId([8; 16]);
    let events = [triggered(run, 1, 500), step(run, 1, None), step(run, 2, Some("unavailable")), concluded(run, RunResult::Killed, false)];
    let state = after(&events);
    assert_eq!(state.runs[&run].finished, Some(RunEnd { time_ms: 1003, committed: 1, failed: 1, index: 3 }));
    assert_eq!(state.pipelines[&PIPELINE].failing, Some((run, 1003)));
}

#[test]
fn a_pipeline_is_what_its_runs_left() {
    let (first, second, third) = (RunId([8; 16]), RunId([9; 16]), RunId([10; 16]));
    let mut events = vec![
        triggered(first, 1, 500),
        concluded(first, RunResult::Failed, false),
        triggered(second, 1, 600),
        concluded(second, RunResult::TimedOut, false),
    ];
    let state = after(&events);
    let info = &state.pipelines[&PIPELINE];
    assert_eq!((info.first_ms, info.due_ms, info.last, info.succeeded), (1000, Some(600), Some(second), None));
    assert_eq!(info.failing, Some((first, 1001)), "since when, not how often");
    events.extend([triggered(third, 2, 600), concluded(third, RunResult::Succeeded, false)]);
    let state = after(&events);
    let info = &state.pipelines[&PIPELINE];
    assert_eq!((info.succeeded, info.failing, info.last), (Some((third, 1005)), None, Some(third)));
    let skipped = |last_ms| EventKind::DueSkipped { pipeline: PIPELINE, reason: SkipReason::Missed, first_ms: 1, last_ms, times: 3 };
    events.extend([skipped(700), skipped(650)]);
    assert_eq!(after(&events).pipelines[&PIPELINE].due_ms, Some(700), "what was skipped is behind, and nothing goes back");
}

/// Whoever was killed between recording that a run failed and telling it leaves that to the next.
#[test]
fn a_failure_is_untold_until_someone_was_told() {
    let (first, second) = (RunId([8; 16]), RunId([9; 16]));
    let sent = |run, phase, failed| EventKind::NoticeSent {
        pipeline: PIPELINE,
        run: Some(run),
        notice: "failure".to_owned(),
        phase,
        receivers: 2,
        failed,
    };
    let untold = |more: &[EventKind]| {
        let events = [triggered(first, 1, 500), concluded(first, RunResult::Failed, false)];
        after(&events.into_iter().chain(more.iter().cloned()).collect::<Vec<_>>()).pipelines[&PIPELINE].untold
    };
    assert_eq!(untold(&[]), Some(first));
    assert_eq!(untold(&[sent(first, Phase::Intent, 0)]), Some(first), "it may not have come to that");
    assert_eq!(untold(&[sent(second, Phase::Outcome, 0)]), Some(first), "of another run");
    assert_eq!(untold(&[sent(first, Phase::Intent, 0), sent(first, Phase::Outcome, 0)]), None);
    assert_eq!(untold(&[sent(first, Phase::Intent, 0), sent(first, Phase::Aborted, 1)]), None, "one of two was told");
    assert_eq!(untold(&[sent(first, Phase::Intent, 0), sent(first, Phase::Aborted, 2)]), Some(first), "nobody was");
    assert_eq!(untold(&[concluded(second, RunResult::Succeeded, false)]), None);
    assert_eq!(untold(&[concluded(second, RunResult::Killed, false)]), Some(second), "the newest");
    assert_eq!(untold(&[concluded(second, RunResult::Failed, true)]), Some(first), "another attempt follows");
    for ended in [RunResult::Cancelled, RunResult::Interrupted] {
        assert_eq!(untold(&[concluded(second, ended, false)]), Some(first), "nobody is told of that");
    }
}

#[test]
fn a_table_is_stale_until_it_is_told_that_it_is_not() {
    let judged = |missed, newest_ms| EventKind::FreshnessJudged {
        pipeline: PIPELINE,
        table: NameId([7; 16]),
        missed,
        newest_ms,
        max_age_seconds: 60,
    };
    let state = after(&[judged(true, Some(5))]);
    assert_eq!(state.pipelines[&PIPELINE].stale, BTreeMap::from([(NameId([7; 16]), Some(5))]));
    assert!(after(&[judged(true, Some(5)), judged(false, Some(9))]).pipelines[&PIPELINE].stale.is_empty());
}

#[test]
fn notices_are_counted_by_channel() {
    let sent = |phase, receivers, failed| EventKind::NoticeSent {
        pipeline: PIPELINE,
        run: None,
        notice: "failure".to_owned(),
        phase,
        receivers,
        failed,
    };
    let state = after(&[sent(Phase::Intent, 3, 0), sent(Phase::Aborted, 3, 1), sent(Phase::Intent, 1, 0), sent(Phase::Outcome, 1, 0)]);
    assert_eq!(state.notices, NoticeCounters { begun: 2, delivered: 3, failed: 1 });
}

/// A snapshot that was written before there were pipelines is one still.
#[test]
fn a_state_without_pipelines_reads_back() {
    let run = RunId([8; 16]);
    let state = after(&[EventKind::RunStarted { run, batches: 1 }, EventKind::RunFinished { run, committed: 1, failed: 0 }]);
    let mut json = serde_json::to_value(&state).unwrap();
    assert!(json.get("pipelines").is_none());
    json.as_object_mut().unwrap().remove("notices");
    let finished = &mut json["runs"][run.to_string()]["finished"];
    assert_eq!(finished["index"], 1);
    finished.as_object_mut().unwrap().remove("index");
    let read: State = serde_json::from_value(json).unwrap();
    assert_eq!((read.runs[&run].batches, read.runs[&run].finished.unwrap().index), (1, 0));
}

#[test]
fn every_kind_changes_the_projection_and_survives_a_snapshot() {
    for (n, kind) in crate::leaf::tests::one_of_each().into_iter().enumerate() {
        let run = RunId([2; 16]);
        let mut before = after(&[EventKind::RunStarted { run, batches: 9 }]);
        let mut state = before.clone();
        state.apply(1, 99, &kind);
        before.size = state.size;
        assert_ne!(before, state, "event {n} is not projected: {kind:?}");
        let json = serde_json::to_vec(&state).unwrap();
        assert_eq!(serde_json::from_slice::<State>(&json).unwrap(), state);
    }
}

#[test]
fn what_was_sealed_again_says_how_old_a_key_may_be() {
    let resealed = |phase, key_version| EventKind::KeysChanged {
        change: KeyChange::Reencrypted,
        phase,
        dataset: Some(DATASET),
        key_version,
        keyring_version: 3,
    };
    for nothing in [resealed(Phase::Intent, None), resealed(Phase::Aborted, None), resealed(Phase::Aborted, Some(2))] {
        assert!(after(&[nothing]).oldest_keys.is_empty());
    }
    let state = after(&[resealed(Phase::Intent, None), resealed(Phase::Outcome, Some(3)), resealed(Phase::Outcome, Some(2))]);
    assert_eq!(state.oldest_keys, BTreeMap::from([(DATASET, 3)]));
    assert!(state.open_key_changes.is_empty());
}

#[test]
fn a_verification_takes_back_only_what_failed_before_it() {
    let failed = |object: &str| EventKind::IntegrityFailed { object: object.to_owned() };
    let state = after(&[failed("a"), failed("b"), EventKind::IntegrityVerified { entries: 1, files: 9 }]);
    assert_eq!(state.integrity_failures.iter().map(|failure| failure.object.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(state.verified.map(|verified| verified.index), Some(2));
    let state = after(&[failed("a"), failed("b"), EventKind::IntegrityVerified { entries: 2, files: 9 }]);
    assert!(state.integrity_failures.is_empty());
}

#[test]
fn break_glass_is_open_from_its_opening_until_it_is_sealed() {
    let changed = |change, phase, version, until_ms| EventKind::IdentityChanged {
        change,
        phase,
        subject: NameId([7; 16]),
        version,
        hash: format!("{version}"),
        grant: Some(GrantInfo { id: None, group: None, until_ms }),
    };
    let (opened, sealed) = (IdentityChange::BreakGlassOpened, IdentityChange::BreakGlassSealed);
    let intent = changed(opened, Phase::Intent, 1, Some(9_000));
    assert_eq!(after(std::slice::from_ref(&intent)).break_glass, None, "what is announced opens nothing");
    let aborted = changed(opened, Phase::Aborted, 1, None);
    assert_eq!(after(&[intent.clone(), aborted]).break_glass, None);
    let outcome = changed(opened, Phase::Outcome, 1, Some(9_000));
    let open = after(&[intent.clone(), outcome.clone()]);
    assert_eq!(open.break_glass, Some(BreakGlassOpen { index: 1, time_ms: 1001, until_ms: Some(9_000) }));
    // Its time alone does not seal it, nor does another change.
    let other = changed(IdentityChange::TokenRevoked, Phase::Outcome, 2, None);
    assert!(after(&[intent.clone(), outcome.clone(), other]).break_glass.is_some());
    let again = [changed(sealed, Phase::Intent, 2, None), changed(sealed, Phase::Outcome, 2, None)];
    let [begun, done] = again;
    assert!(after(&[intent.clone(), outcome.clone(), begun.clone()]).break_glass.is_some());
    assert_eq!(after(&[intent, outcome, begun, done]).break_glass, None);
    // It stands in the snapshot.
    let read: State = serde_json::from_slice(&serde_json::to_vec(&open).unwrap()).unwrap();
    assert_eq!(read.break_glass, open.break_glass);
}
