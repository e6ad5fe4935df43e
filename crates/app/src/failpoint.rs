//! Named points where a test ends the process with a real signal, given on the command line and by nothing else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

struct Point {
    name: String,
    signal: Signal,
    /// How many passes are let through before the end.
    passes: AtomicU32,
}

static POINT: OnceLock<Point> = OnceLock::new();

/// Chooses the point: `NAME` for SIGKILL, `NAME:segv` for SIGSEGV, `NAME#2` for the second time that it is passed.
pub fn choose(point: &str) {
    let (point, signal) = match point.strip_suffix(":segv") {
        Some(point) => (point, Signal::SEGV),
        None => (point, Signal::KILL),
    };
    let (name, nth) = point.split_once('#').map_or((point, 1), |(name, nth)| (name, nth.parse().unwrap_or(1)));
    // A process chooses once, before it does anything.
    let _ = POINT.set(Point { name: name.to_owned(), signal, passes: AtomicU32::new(nth) });
}

/// Ends the process here when this point was chosen.
pub fn hit(name: &str) {
    if let Some(point) = POINT.get()
        && point.name == name
        && point.passes.fetch_sub(1, Ordering::SeqCst) == 1
    {
        // Sent until it works: the runtime's own handler takes the first SIGSEGV to tell a stack overflow, and then steps aside.
        loop {
            let _ = kill_process(getpid(), point.signal);
            std::thread::yield_now();
        }
    }
}
