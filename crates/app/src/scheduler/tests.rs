mod week;

use polder_types::SeededRng;

use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// A moment at which an hour begins.
const T0: i64 = 1_774_483_200_000;

fn plan(schedule: Schedule) -> Plan {
    Plan { schedule, retries: Retries::NONE, timeout_ms: None, overlap: Overlap::Skip, catch_up: CatchUp::Latest }
}

fn hourly() -> Plan {
    plan(Schedule::every(3_600))
}

fn scheduler(slots: usize, pipelines: &[(&str, Plan)]) -> Scheduler {
    let mut scheduler = Scheduler::new(slots, Arc::new(SeededRng::new(1)));
    for (name, plan) in pipelines {
        scheduler.set(name, plan.clone(), Known::default(), T0);
    }
    scheduler
}

fn started(acts: &[Act]) -> Vec<(&str, i64, u32)> {
    let starts = acts.iter().filter_map(|act| match act {
        Act::Start(start) => Some((start.pipeline.as_str(), start.due_ms.unwrap(), start.attempt)),
        _ => None,
    });
    starts.collect()
}

fn passed(acts: &[Act]) -> Vec<Passed> {
    let starts = acts.iter().filter_map(|act| match act {
        Act::Start(start) => Some(start.passed.clone()),
        _ => None,
    });
    starts.flatten().collect()
}

#[test]
fn a_pipeline_begins_when_it_is_due_and_not_before() {
    let mut scheduler = scheduler(1, &[("a", hourly())]);
    assert_eq!(scheduler.tick(T0), []);
    assert_eq!((scheduler.next_wakeup(), scheduler.next_due("a")), (Some(T0 + HOUR), Some(T0 + HOUR)));
    assert_eq!(scheduler.tick(T0 + HOUR - 1), []);
    assert_eq!(started(&scheduler.tick(T0 + HOUR)), [("a", T0 + HOUR, 1)]);
    assert_eq!(scheduler.tick(T0 + HOUR), []);
    assert_eq!(scheduler.ended("a", Ended::Succeeded, T0 + HOUR + MINUTE), After::Done);
    assert_eq!(scheduler.next_wakeup(), Some(T0 + 2 * HOUR));
    // Seen late, it is the due time that counts.
    assert_eq!(started(&scheduler.tick(T0 + 2 * HOUR + 5)), [("a", T0 + 2 * HOUR, 1)]);
}

#[test]
fn how_each_pipeline_stands_is_known() {
    let retries = Retries { max: 3, backoff_ms: 30_000, factor: 1, max_backoff_ms: 30_000 };
    let mut scheduler = scheduler(1, &[("a", Plan { retries, ..hourly() }), ("b", hourly())]);
    let doing = |scheduler: &Scheduler| -> Vec<(String, Doing)> {
        scheduler.standing().into_iter().map(|standing| (standing.pipeline, standing.doing)).collect()
    };
    assert_eq!(doing(&scheduler), [("a".to_owned(), Doing::Idle), ("b".to_owned(), Doing::Idle)]);
    assert_eq!(scheduler.standing()[0].next_due_ms, Some(T0 + HOUR));
    scheduler.tick(T0 + HOUR);
    let since_ms = T0 + HOUR;
    let running = |ending| Doing::Running { attempt: 1, since_ms, ending };
    let waiting = Doing::Waiting { attempt: 1, ready_ms: since_ms };
    assert_eq!(doing(&scheduler), [("a".to_owned(), running(false)), ("b".to_owned(), waiting)]);
    scheduler.ended("a", Ended::Failed { passes: true }, since_ms + SECOND);
    let Doing::Waiting { attempt: 2, ready_ms } = scheduler.standing()[0].doing else { panic!("{:?}", scheduler.standing()) };
    assert!(ready_ms >= since_ms + 31 * SECOND);
    scheduler.tick(since_ms + SECOND);
    scheduler.close(since_ms + SECOND);
    assert!(matches!(scheduler.standing()[1].doing, Doing::Running { ending: true, .. }));
}

#[test]
fn what_is_due_while_it_runs_passes_or_waits_or_takes_its_place() {
    let with = |overlap| scheduler(9, &[("a", Plan { overlap, ..hourly() })]);
    let mut skips = with(Overlap::Skip);
    skips.tick(T0 + HOUR);
    assert_eq!(skips.tick(T0 + 2 * HOUR), []);
    assert_eq!(skips.tick(T0 + 3 * HOUR), []);
    skips.ended("a", Ended::Succeeded, T0 + 3 * HOUR + MINUTE);
    assert_eq!(skips.tick(T0 + 3 * HOUR + MINUTE), []);
    let acts = skips.tick(T0 + 4 * HOUR);
    assert_eq!(started(&acts), [("a", T0 + 4 * HOUR, 1)]);
    let overlap = Passed { reason: SkipReason::Overlap, first_ms: T0 + 2 * HOUR, last_ms: T0 + 3 * HOUR, times: 2 };
    assert_eq!(passed(&acts), [overlap], "what passed is told, once");

    let mut queues = with(Overlap::Queue);
    queues.tick(T0 + HOUR);
    queues.tick(T0 + 2 * HOUR);
    queues.tick(T0 + 3 * HOUR);
    for due in [T0 + 2 * HOUR, T0 + 3 * HOUR] {
        queues.ended("a", Ended::Succeeded, T0 + 3 * HOUR + MINUTE);
        assert_eq!(started(&queues.tick(T0 + 3 * HOUR + MINUTE)), [("a", due, 1)]);
    }

    let mut replaces = with(Overlap::CancelRunning);
    replaces.tick(T0 + HOUR);
    assert_eq!(replaces.tick(T0 + 2 * HOUR), [Act::Stop { pipeline: "a".to_owned(), why: Stop::Overlap }]);
    assert_eq!(replaces.tick(T0 + 2 * HOUR + 1), [], "asked once");
    assert_eq!(replaces.next_wakeup(), Some(T0 + 2 * HOUR + KILL_AFTER_MS));
    assert_eq!(replaces.ended("a", Ended::Cancelled, T0 + 2 * HOUR + 9), After::Done);
    assert_eq!(started(&replaces.tick(T0 + 2 * HOUR + 9)), [("a", T0 + 2 * HOUR, 1)]);
}

#[test]
fn only_as_many_due_times_wait_as_may() {
    let minutely = Plan { overlap: Overlap::Queue, ..plan(Schedule::every(60)) };
    let mut scheduler = scheduler(1, &[("a", minutely)]);
    for minute in 1..=QUEUE_MAX as i64 + 11 {
        scheduler.tick(T0 + minute * MINUTE);
    }
    scheduler.ended("a", Ended::Succeeded, T0 + 200 * MINUTE);
    let acts = scheduler.tick(T0 + 111 * MINUTE);
    let full = passed(&acts);
    assert_eq!((full[0].reason, full[0].times), (SkipReason::QueueFull, 10));
    assert_eq!(started(&acts), [("a", T0 + 2 * MINUTE, 1)], "the oldest first");
}

#[test]
fn a_failure_that_may_pass_is_tried_again_and_no_other() {
    let retries = Retries { max: 2, backoff_ms: 30 * SECOND, factor: 2, max_backoff_ms: HOUR };
    let mut scheduler = scheduler(1, &[("a", Plan { retries, ..hourly() })]);
    scheduler.tick(T0 + HOUR);
    let mut now = T0 + HOUR;
    for (attempt, wait) in [(2, 30 * SECOND), (3, MINUTE)] {
        now += MINUTE;
        let After::Retry { attempt: next, at_ms } = scheduler.ended("a", Ended::Failed { passes: true }, now) else { panic!() };
        assert!(next == attempt && (wait..=wait + wait / 5).contains(&(at_ms - now)), "{next} {}", at_ms - now);
        assert_eq!(scheduler.tick(at_ms - 1), []);
        assert_eq!(scheduler.next_wakeup(), Some(at_ms));
        assert_eq!(started(&scheduler.tick(at_ms)), [("a", T0 + HOUR, attempt)]);
        now = at_ms;
    }
    assert_eq!(scheduler.ended("a", Ended::Failed { passes: true }, now + 1), After::Done, "three attempts were all");
    scheduler.tick(T0 + 2 * HOUR);
    for ended in [Ended::Failed { passes: false }, Ended::Cancelled, Ended::Succeeded] {
        let due = scheduler.next_due("a").unwrap();
        assert_eq!(scheduler.ended("a", ended, due - 1), After::Done, "{ended:?}");
        assert_eq!(started(&scheduler.tick(due)), [("a", due, 1)]);
    }
    // Its process was killed: nobody knows why, and the next one may do better.
    assert!(matches!(scheduler.ended("a", Ended::Lost, T0 + 9 * HOUR), After::Retry { attempt: 2, .. }));
}

/// Where nothing is tried again either: nobody meant it to be left at that, and the next scheduler would do the rest too.
#[test]
fn what_was_told_to_end_by_something_else_goes_on_once() {
    let mut scheduler = scheduler(1, &[("a", hourly())]);
    scheduler.tick(T0 + HOUR);
    let After::Retry { attempt: 2, at_ms } = scheduler.ended("a", Ended::Interrupted, T0 + HOUR + 1) else { panic!() };
    assert_eq!(started(&scheduler.tick(at_ms)), [("a", T0 + HOUR, 2)]);
    assert_eq!(scheduler.ended("a", Ended::Interrupted, at_ms + 1), After::Done, "not without end");
    // The scheduler itself told it to.
    scheduler.tick(T0 + 2 * HOUR);
    scheduler.close(T0 + 2 * HOUR + 1);
    assert_eq!(scheduler.ended("a", Ended::Interrupted, T0 + 2 * HOUR + 2), After::Done);
}

#[test]
fn a_due_time_passes_while_an_attempt_waits() {
    let retries = Retries { max: 1, backoff_ms: 2 * HOUR, factor: 1, max_backoff_ms: 2 * HOUR };
    let mut scheduler = scheduler(1, &[("a", Plan { retries, ..hourly() })]);
    scheduler.tick(T0 + HOUR);
    let After::Retry { at_ms, .. } = scheduler.ended("a", Ended::Failed { passes: true }, T0 + HOUR + 1) else { panic!() };
    assert_eq!(scheduler.tick(T0 + 2 * HOUR), []);
    let acts = scheduler.tick(at_ms);
    assert_eq!(started(&acts), [("a", T0 + HOUR, 2)]);
    assert!(passed(&acts).iter().all(|passed| passed.reason == SkipReason::Overlap && passed.times >= 1));
}

#[test]
fn what_takes_too_long_is_asked_to_end_and_then_killed() {
    let mut scheduler = scheduler(1, &[("a", Plan { timeout_ms: Some(10 * MINUTE), ..hourly() })]);
    scheduler.tick(T0 + HOUR);
    // It sees to its timeout by itself, and is asked only once it has had the time for that.
    let late = T0 + HOUR + 10 * MINUTE + TIMEOUT_GRACE_MS;
    assert_eq!(scheduler.next_wakeup(), Some(late));
    assert_eq!(scheduler.tick(late - 1), []);
    assert_eq!(scheduler.tick(late), [Act::Stop { pipeline: "a".to_owned(), why: Stop::Timeout }]);
    assert_eq!(scheduler.tick(late + KILL_AFTER_MS - 1), []);
    assert_eq!(scheduler.tick(late + KILL_AFTER_MS), [Act::Kill { pipeline: "a".to_owned() }]);
    assert_eq!(scheduler.tick(late + 2 * KILL_AFTER_MS), [], "killed once");
    assert_eq!(scheduler.ended("a", Ended::Lost, late + 2 * KILL_AFTER_MS), After::Done, "what was asked to end is not tried again");
}

#[test]
fn after_a_while_without_a_scheduler_a_pipeline_does_as_it_says() {
    let down = T0 + 10 * HOUR + 5 * MINUTE;
    let since = |catch_up| {
        let mut scheduler = Scheduler::new(9, Arc::new(SeededRng::new(1)));
        scheduler.set("a", Plan { catch_up, ..hourly() }, Known { due_ms: Some(T0), resume: None }, down);
        scheduler
    };
    let mut latest = since(CatchUp::Latest);
    let acts = latest.tick(down);
    assert_eq!(started(&acts), [("a", T0 + 10 * HOUR, 1)]);
    let missed = Passed { reason: SkipReason::Missed, first_ms: T0 + HOUR, last_ms: T0 + 9 * HOUR, times: 9 };
    assert_eq!(passed(&acts), [missed]);

    let mut none = since(CatchUp::None);
    assert_eq!(none.tick(down), []);
    let acts = none.tick(T0 + 11 * HOUR);
    assert_eq!(started(&acts), [("a", T0 + 11 * HOUR, 1)], "what is due now is not missed");
    assert_eq!(passed(&acts), [Passed { last_ms: T0 + 10 * HOUR, times: 10, ..missed }]);

    let mut all = since(CatchUp::All);
    let mut seen = Vec::new();
    for minute in 0..10 {
        let now = down + minute * MINUTE;
        seen.extend(started(&all.tick(now)).iter().map(|(_, due, _)| *due));
        all.ended("a", Ended::Succeeded, now + 1);
    }
    assert_eq!(seen, (1..=10).map(|hour| T0 + hour * HOUR).collect::<Vec<_>>(), "each, in order");

    // A year of minutes is as many as may wait, the newest.
    let mut long = Scheduler::new(1, Arc::new(SeededRng::new(1)));
    let year = Plan { catch_up: CatchUp::All, ..plan(Schedule::every(60)) };
    long.set("a", year, Known { due_ms: Some(T0 - 365 * 24 * HOUR), resume: None }, T0);
    let acts = long.tick(T0);
    assert_eq!(started(&acts), [("a", T0 - 99 * MINUTE, 1)]);
    assert_eq!(passed(&acts)[0].times, 365 * 24 * 60 - 100);

    // One that never ran owes nothing.
    let mut new = Scheduler::new(1, Arc::new(SeededRng::new(1)));
    new.set("a", hourly(), Known::default(), down);
    assert_eq!((new.tick(down), new.next_wakeup()), (vec![], Some(T0 + 11 * HOUR)));
}

#[test]
fn what_was_broken_off_goes_on_with_the_next_attempt() {
    let down = T0 + 3 * HOUR + MINUTE;
    let known = Known { due_ms: Some(T0 + 2 * HOUR), resume: Some(Resume { due_ms: Some(T0 + 2 * HOUR), attempt: 2 }) };
    let mut scheduler = Scheduler::new(1, Arc::new(SeededRng::new(1)));
    scheduler.set("a", hourly(), known, down);
    let acts = scheduler.tick(down);
    assert_eq!(started(&acts), [("a", T0 + 2 * HOUR, 2)]);
    assert_eq!(passed(&acts)[0].last_ms, T0 + 3 * HOUR, "it makes up for the one that was missed too");
}

#[test]
fn a_clock_that_goes_back_begins_nothing_twice_and_silences_nothing() {
    let mut scheduler = scheduler(1, &[("a", hourly())]);
    scheduler.tick(T0 + HOUR);
    scheduler.ended("a", Ended::Succeeded, T0 + HOUR + 1);
    assert_eq!(scheduler.tick(T0 + HOUR - 5 * MINUTE), []);
    assert_eq!(scheduler.tick(T0 + HOUR), [], "that one was begun");
    // One that had run a year ahead.
    scheduler.tick(T0 + 365 * 24 * HOUR);
    scheduler.ended("a", Ended::Succeeded, T0 + 365 * 24 * HOUR + 1);
    assert_eq!(scheduler.tick(T0 + HOUR + MINUTE), []);
    assert_eq!(started(&scheduler.tick(T0 + 2 * HOUR)), [("a", T0 + 2 * HOUR, 1)]);
}

#[test]
fn what_was_measured_goes_on_when_the_clock_is_set() {
    let retries = Retries { max: 1, backoff_ms: MINUTE, factor: 1, max_backoff_ms: MINUTE };
    let plan = Plan { timeout_ms: Some(10 * MINUTE), retries, ..hourly() };
    for by in [5 * HOUR + 7, -(5 * HOUR + 7)] {
        // A run that has nine of its ten minutes left has them still.
        let mut runs = scheduler(1, &[("a", plan.clone())]);
        runs.tick(T0 + HOUR);
        runs.clock_set(by);
        let now = T0 + HOUR + MINUTE + by;
        assert_eq!(started(&runs.tick(now)), []);
        let late = T0 + HOUR + 10 * MINUTE + TIMEOUT_GRACE_MS + by;
        assert_eq!(runs.tick(late - 1), []);
        assert_eq!(runs.tick(late), [Act::Stop { pipeline: "a".to_owned(), why: Stop::Timeout }]);
        runs.clock_set(by);
        assert_eq!(runs.tick(late + by + KILL_AFTER_MS - 1), []);
        assert_eq!(runs.tick(late + by + KILL_AFTER_MS), [Act::Kill { pipeline: "a".to_owned() }]);
        // An attempt that waits a minute waits neither for hours nor for nothing.
        let mut waits = scheduler(1, &[("a", plan.clone())]);
        waits.tick(T0 + HOUR);
        let After::Retry { at_ms, .. } = waits.ended("a", Ended::Failed { passes: true }, T0 + HOUR + 1) else { panic!() };
        waits.clock_set(by);
        assert_eq!(started(&waits.tick(at_ms + by - 1)), []);
        assert_eq!(started(&waits.tick(at_ms + by)), [("a", T0 + HOUR, 2)]);
    }
}

#[test]
fn files_that_change_are_taken_up() {
    let mut scheduler = scheduler(1, &[("a", hourly()), ("b", hourly())]);
    scheduler.tick(T0 + HOUR);
    // Another schedule counts from now on: nothing of it was missed.
    scheduler.set("a", plan(Schedule::every(60)), Known::default(), T0 + HOUR + 90 * SECOND);
    assert_eq!(scheduler.next_due("a"), Some(T0 + HOUR + 2 * MINUTE));
    // The same one stays where it is.
    scheduler.set("b", Plan { timeout_ms: Some(5), ..hourly() }, Known::default(), T0 + HOUR + 90 * SECOND);
    assert_eq!(scheduler.next_due("b"), Some(T0 + 2 * HOUR));
    scheduler.keep(&["b"]);
    assert_eq!((scheduler.running(), scheduler.next_due("a")), (1, None), "what runs is let run");
    assert_eq!(scheduler.ended("a", Ended::Failed { passes: true }, T0 + HOUR + 2 * MINUTE), After::Done);
    assert_eq!(started(&scheduler.tick(T0 + HOUR + 2 * MINUTE)), [("b", T0 + HOUR, 1)]);
    assert_eq!(scheduler.entries.len(), 1);
    // One that comes back while it runs is the one it was.
    scheduler.keep(&[]);
    scheduler.set("b", hourly(), Known::default(), T0 + HOUR + 3 * MINUTE);
    scheduler.ended("b", Ended::Succeeded, T0 + HOUR + 3 * MINUTE);
    assert_eq!(scheduler.entries.len(), 1);
}

#[test]
fn who_waits_longest_since_their_last_turn_is_next() {
    let greedy = Plan { overlap: Overlap::Queue, ..plan(Schedule::every(60)) };
    let mut scheduler = scheduler(1, &[("greedy", greedy), ("a", hourly()), ("b", hourly())]);
    let mut now = T0;
    let mut turns = Vec::new();
    while now < T0 + 3 * HOUR {
        now += 5 * MINUTE;
        let acts = scheduler.tick(now);
        if let [(name, _, _)] = started(&acts)[..] {
            turns.push((name.to_owned(), now));
            scheduler.ended(name, Ended::Succeeded, now + 1);
        }
    }
    // However much the greedy one owes, each of the others had its turn within a round.
    for (name, hour) in [("a", 1), ("a", 2), ("b", 1), ("b", 2)] {
        let turn = turns.iter().find(|(of, at)| of == name && *at >= T0 + hour * HOUR).unwrap().1;
        assert!(turn <= T0 + hour * HOUR + 15 * MINUTE, "{name}: {}", (turn - T0) / MINUTE);
    }
}

#[test]
fn closing_asks_all_to_end_and_begins_nothing() {
    let mut scheduler = scheduler(2, &[("a", hourly()), ("b", hourly()), ("c", hourly())]);
    assert_eq!(scheduler.tick(T0 + HOUR).len(), 2);
    let acts = scheduler.close(T0 + HOUR + 1);
    assert_eq!(acts.len(), 2);
    assert!(acts.iter().all(|act| matches!(act, Act::Stop { why: Stop::Shutdown, .. })));
    assert_eq!(scheduler.tick(T0 + 2 * HOUR).len(), 2, "and kills what does not");
    for name in ["a", "b"] {
        assert_eq!(scheduler.ended(name, Ended::Failed { passes: true }, T0 + 2 * HOUR), After::Done);
    }
    assert_eq!((scheduler.tick(T0 + 3 * HOUR), scheduler.next_wakeup(), scheduler.running()), (vec![], None, 0));
}
