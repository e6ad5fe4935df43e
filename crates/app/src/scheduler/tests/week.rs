//! 200 pipelines for a week in which a clock is put forward, and for others in which one is put back, on a clock that only the test moves.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::*;

/// 24 March 2026, noon UTC. Paris changes its clock on the 29th.
const BEGIN: i64 = 1_774_353_600_000;
const WEEK: i64 = 7 * 24 * HOUR;
/// 31 March 2026, noon UTC: Lord Howe puts its clock back by half an hour on 5 April.
const LORD_HOWE_BACK: i64 = BEGIN + 7 * 24 * HOUR;
/// 24 October 2026, noon UTC: Paris puts its clock back the night after.
const PARIS_BACK: i64 = BEGIN + 214 * 24 * HOUR;
/// 28 October 2026, noon UTC: New York puts its clock back on 1 November.
const NEW_YORK_BACK: i64 = BEGIN + 218 * 24 * HOUR;

/// What the simulation knows of a run that goes on.
struct Going {
    pipeline: String,
    ends_ms: i64,
    ended: Ended,
    /// It does not end when it is asked to.
    deaf: bool,
}

struct World {
    begin: i64,
    rng: SeededRng,
    scheduler: Scheduler,
    plans: BTreeMap<String, Plan>,
    going: Vec<Going>,
    /// First attempts: pipeline, due time, when it began.
    first: Vec<(String, i64, i64)>,
    /// Attempts after the first: which, and of what due time.
    later: Vec<(String, i64, u32)>,
    passed: BTreeMap<String, Vec<Passed>>,
    slots: usize,
    busiest: usize,
    killed: usize,
}

impl World {
    fn new(begin: i64, seed: u64, slots: usize, plan: impl Fn(&SeededRng, u64) -> Plan) -> Self {
        let rng = SeededRng::new(seed);
        let mut scheduler = Scheduler::new(slots, Arc::new(SeededRng::new(seed + 1)));
        let mut plans = BTreeMap::new();
        for number in 0..200 {
            let (name, plan) = (format!("p{number:03}"), plan(&rng, number));
            scheduler.set(&name, plan.clone(), Known::default(), begin);
            plans.insert(name, plan);
        }
        let (going, first, later, passed) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
        Self { begin, rng, scheduler, plans, going, first, later, passed, slots, busiest: 0, killed: 0 }
    }

    fn begins(&mut self, start: Start, now: i64, longest: u64) {
        let Start { pipeline, due_ms, attempt, passed } = start;
        assert!(self.going.iter().all(|going| going.pipeline != pipeline), "{pipeline} runs already");
        assert!(self.going.len() < self.slots, "more than {} run", self.slots);
        let due = due_ms.unwrap();
        assert!(due <= now, "{pipeline} began {} ms early", due - now);
        if attempt == 1 {
            self.first.push((pipeline.clone(), due, now));
        } else {
            self.later.push((pipeline.clone(), due, attempt));
        }
        // What is kept of it has its bounds at any time, not only at the end.
        self.scheduler.entries[&pipeline].untold();
        self.passed.entry(pipeline.clone()).or_default().extend(passed);
        let ended = match self.rng.below(20) {
            0..14 => Ended::Succeeded,
            14..17 => Ended::Failed { passes: true },
            17..19 => Ended::Failed { passes: false },
            _ => Ended::Lost,
        };
        let takes = 1 + self.rng.below(longest) as i64;
        self.going.push(Going { pipeline, ends_ms: now + takes, ended, deaf: self.rng.below(4) == 0 });
        self.busiest = self.busiest.max(self.going.len());
    }

    /// One moment: what ends, then what is to be done.
    fn at(&mut self, now: i64, longest: u64) {
        while let Some(at) = self.going.iter().position(|going| going.ends_ms <= now) {
            let going = self.going.swap_remove(at);
            let after = self.scheduler.ended(&going.pipeline, going.ended, now);
            if let After::Retry { attempt, at_ms } = after {
                let plan = &self.plans[&going.pipeline];
                assert!(attempt <= plan.retries.max + 1 && at_ms - now >= plan.retries.backoff_ms);
                assert!(at_ms - now <= plan.retries.max_backoff_ms * 6 / 5);
            }
        }
        for act in self.scheduler.tick(now) {
            match act {
                Act::Start(start) => self.begins(start, now, longest),
                Act::Stop { pipeline, .. } => {
                    let hears = self.rng.below(30_000) as i64;
                    let going = self.going.iter_mut().find(|going| going.pipeline == pipeline).expect("it runs");
                    if !going.deaf {
                        (going.ends_ms, going.ended) = (going.ends_ms.min(now + hears), Ended::Cancelled);
                    }
                }
                Act::Kill { pipeline } => {
                    self.killed += 1;
                    let going = self.going.iter_mut().find(|going| going.pipeline == pipeline).expect("it runs");
                    assert!(going.deaf);
                    (going.ends_ms, going.ended) = (now, Ended::Lost);
                }
            }
        }
        assert_eq!(self.scheduler.running(), self.going.len());
    }

    fn live(&mut self, longest: u64) {
        let mut now = self.begin;
        let mut turns = 0;
        while now < self.begin + WEEK {
            self.at(now, longest);
            let next = self.going.iter().map(|going| going.ends_ms).chain(self.scheduler.next_wakeup()).min().unwrap();
            assert!(next > now || self.going.iter().any(|going| going.ends_ms <= now), "it asks to be woken at once, for nothing");
            now = next.max(now);
            turns += 1;
            assert!(turns < 2_000_000, "it never sleeps");
        }
        self.settles(now - 1);
    }

    /// Every due time of the week was begun, told to have passed, or still waits: none was lost and none was made up.
    fn settles(&self, until: i64) {
        let mut all: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for (name, due, _) in &self.first {
            all.entry(name).or_default().push(*due);
        }
        for (name, due, attempt) in &self.later {
            assert!(all[name.as_str()].contains(due) && *attempt <= self.plans[name].retries.max + 1, "{name}");
        }
        for (name, plan) in &self.plans {
            let due: BTreeSet<i64> = plan.schedule.due(self.begin, until, usize::MAX).newest.into_iter().collect();
            let begun = all.get(name.as_str()).cloned().unwrap_or_default();
            assert!(begun.is_sorted_by(|one, next| one < next), "{name} begins in order, and nothing twice");
            assert!(begun.iter().all(|at| due.contains(at)), "{name} drifted");
            let told = self.passed.get(name).cloned().unwrap_or_default();
            assert!(told.iter().all(|passed| due.contains(&passed.first_ms) && due.contains(&passed.last_ms)));
            let (waiting, untold) = self.scheduler.entries[name].untold();
            let passed: u64 = told.iter().map(|passed| passed.times).sum::<u64>() + untold;
            assert_eq!((begun.len() + waiting) as u64 + passed, due.len() as u64, "{name}: {plan:?}");
        }
        assert_eq!(self.scheduler.entries.len(), 200);
    }

    /// Shut down, nothing is left.
    fn closes(&mut self) {
        let now = self.begin + WEEK;
        self.scheduler.close(now);
        let going: Vec<String> = self.going.drain(..).map(|going| going.pipeline).collect();
        for pipeline in going {
            assert_eq!(self.scheduler.ended(&pipeline, Ended::Cancelled, now), After::Done);
        }
        assert_eq!((self.scheduler.running(), self.scheduler.tick(now + HOUR), self.scheduler.next_wakeup()), (0, vec![], None));
    }
}

const ZONES: [Tz; 4] = [chrono_tz::Europe::Paris, chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe, chrono_tz::UTC];

/// Any plan: pipelines of all intervals and hours, in all zones, that do everything that a pipeline may.
fn any(rng: &SeededRng, _: u64) -> Plan {
    let schedule = match rng.below(4) {
        0 => Schedule::every([300, 900, 3_600, 5_400, 86_400][rng.below(5) as usize]),
        1 => Schedule::cron(&format!("{} * * * *", rng.below(60)), ZONES[rng.below(4) as usize]).unwrap(),
        2 => Schedule::cron(
            &format!("{}/20 {}-23/3 * * *", ["*", "0-59", "*"][rng.below(3) as usize], rng.below(4)),
            ZONES[rng.below(4) as usize],
        )
        .unwrap(),
        _ => Schedule::cron(&format!("{} {} * * *", rng.below(60), rng.below(6)), ZONES[rng.below(4) as usize]).unwrap(),
    };
    let backoff_ms = 1_000 + rng.below(120_000) as i64;
    Plan {
        schedule,
        retries: Retries {
            max: rng.below(4) as u32,
            backoff_ms,
            factor: 1 + rng.below(3) as u32,
            max_backoff_ms: backoff_ms + rng.below(600_000) as i64,
        },
        timeout_ms: (rng.below(3) == 0).then(|| (1 + rng.below(20) as i64) * MINUTE),
        overlap: [Overlap::Skip, Overlap::Queue, Overlap::CancelRunning][rng.below(3) as usize],
        catch_up: [CatchUp::Latest, CatchUp::None, CatchUp::All][rng.below(3) as usize],
    }
}

#[test]
fn two_hundred_pipelines_live_through_a_week() {
    let mut begun = 0;
    // More of them in the nightly run.
    let seeds = if std::env::var("POLDER_SEEDS").is_ok_and(|value| value == "full") { 5 } else { 1 };
    for seed in 0..seeds {
        // One after the other and some together; easy weeks, and weeks in which there is more to do than can be done.
        for (slots, longest) in [(1, 20_000), (1, 600_000), (8, 1_800_000), (200, 3_600_000)] {
            let mut world = World::new(BEGIN, seed, slots, any);
            world.live(longest);
            assert!(world.busiest == slots || slots == 200, "{} of {slots}", world.busiest);
            assert!(!world.later.is_empty() && world.first.len() > 500);
            if longest > 1_000_000 {
                assert!(world.killed > 0, "the deaf were killed");
            }
            begun += world.first.len();
            // However much there is to do, everyone has had a turn.
            let had: BTreeSet<&str> = world.first.iter().map(|(name, ..)| name.as_str()).collect();
            assert_eq!(had.len(), 200);
            world.closes();
        }
    }
    assert!(begun > 20_000, "{begun}");
    for begin in [LORD_HOWE_BACK, PARIS_BACK, NEW_YORK_BACK] {
        let mut world = World::new(begin, 11, 200, any);
        world.live(600_000);
        assert!(!world.later.is_empty() && world.first.len() > 500);
        world.closes();
    }
}

/// With room for all and runs that are short, each begins at the very moment at which it is due.
#[test]
fn nothing_drifts() {
    for begin in [BEGIN, LORD_HOWE_BACK, PARIS_BACK, NEW_YORK_BACK] {
        let short = |rng: &SeededRng, number| Plan { overlap: Overlap::Skip, retries: Retries::NONE, timeout_ms: None, ..any(rng, number) };
        let mut world = World::new(begin, 7, 200, short);
        world.live(2_000);
        for (name, due, began) in &world.first {
            assert_eq!(due, began, "{name}");
        }
        let passed: u64 = world.passed.values().flatten().map(|passed| passed.times).sum();
        assert_eq!(passed, 0);
        world.closes();
    }
}

#[test]
fn the_night_of_the_change_is_one_night() {
    let nightly = |zone| move |_: &SeededRng, _: u64| plan(Schedule::cron("30 2 * * *", zone).unwrap());
    let mut paris = World::new(BEGIN, 3, 200, nightly(chrono_tz::Europe::Paris));
    paris.live(1_000);
    let of_one: Vec<i64> = paris.first.iter().filter(|(name, ..)| name == "p000").map(|(_, due, _)| *due).collect();
    // At 01:30 UTC, then on the 29th when the clock has leapt to three, at 01:00, then at 00:30.
    let midnight = |day: i64| BEGIN + 12 * HOUR + (day - 25) * 24 * HOUR;
    let wanted: Vec<i64> = (25..=31)
        .map(|day| {
            midnight(day)
                + match day {
                    ..29 => HOUR + 30 * MINUTE,
                    29 => HOUR,
                    _ => 30 * MINUTE,
                }
        })
        .collect();
    assert_eq!(of_one, wanted);
    assert_eq!(paris.first.len(), 200 * 7);
    // Where 02:30 comes twice: at the first, 00:30 UTC, and from then on an hour later.
    let mut paris = World::new(PARIS_BACK, 3, 200, nightly(chrono_tz::Europe::Paris));
    paris.live(1_000);
    let of_one: Vec<i64> = paris.first.iter().filter(|(name, ..)| name == "p000").map(|(_, due, _)| *due).collect();
    let midnight = |day: i64| PARIS_BACK + 12 * HOUR + (day - 25) * 24 * HOUR;
    let wanted: Vec<i64> = (25..=31).map(|day| midnight(day) + 30 * MINUTE + if day > 25 { HOUR } else { 0 }).collect();
    assert_eq!(of_one, wanted);
    assert_eq!(paris.first.len(), 200 * 7);
}
