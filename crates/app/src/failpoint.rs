//! Named points where a test ends or stops the process with a real signal, given on the command line and by nothing else.

use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use polder_store::{Effect, FaultAt, Faults, NoFaults};
use rustix::process::{Signal, getpid, kill_process};

struct Point {
    name: String,
    /// None: a panic that says the point's name.
    signal: Option<Signal>,
    /// Of the store: what becomes of its operation.
    effect: Effect,
    /// How many passes are let through before the end.
    passes: AtomicU32,
}

static POINT: OnceLock<Point> = OnceLock::new();

/// The point that lies before an operation of the store on its disk, of whatever kind: `store#7` is before the seventh.
const STORE: &str = "store";

/// Chooses the point: `NAME` for SIGKILL, `NAME:segv` for SIGSEGV, `NAME:stop` for SIGSTOP, `NAME:panic` for a defect, `NAME#2` for the
/// second time that it is passed. `store#7:fail` lets the store's seventh operation fail, and the process goes on.
pub fn choose(point: &str) {
    let mut effect = Effect::Kill;
    let (point, signal) = match point.rsplit_once(':') {
        Some((point, "segv")) => (point, Some(Signal::SEGV)),
        Some((point, "stop")) => (point, Some(Signal::STOP)),
        Some((point, "panic")) => (point, None),
        Some((point, "fail")) => {
            effect = Effect::Fail;
            (point, Some(Signal::KILL))
        }
        _ => (point, Some(Signal::KILL)),
    };
    let (name, nth) = point.split_once('#').map_or((point, 1), |(name, nth)| (name, nth.parse().unwrap_or(1)));
    // A process chooses once, before it does anything.
    let _ = POINT.set(Point { name: name.to_owned(), signal, effect, passes: AtomicU32::new(nth) });
}

/// What the store's disk does: nothing of its own, unless the process is to be killed there, or an operation to fail.
pub fn of_the_store() -> Arc<dyn Faults> {
    match POINT.get() {
        Some(point) if point.name == STORE => Arc::new(FaultAt::new(None, u64::from(point.passes.load(Ordering::SeqCst)), point.effect)),
        _ => Arc::new(NoFaults),
    }
}

/// A defect whose message is a name.
#[allow(clippy::panic, reason = "what a defect shows is what the test is about; no point is chosen but on the command line")]
fn defect(name: &str) -> ! {
    panic!("{name}")
}

/// Ends or stops the process here when this point was chosen.
pub fn hit(name: &str) {
    if let Some(point) = POINT.get()
        && point.name == name
        && point.passes.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let Some(signal) = point.signal else { defect(&point.name) };
        if signal == Signal::STOP {
            let _ = kill_process(getpid(), Signal::STOP);
            // Another thread may take the signal, and this one would run on for a moment: it waits until standard input ends.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            return;
        }
        // Sent until it works: the runtime's own handler takes the first SIGSEGV to tell a stack overflow, and then steps aside.
        loop {
            let _ = kill_process(getpid(), signal);
            std::thread::yield_now();
        }
    }
}
