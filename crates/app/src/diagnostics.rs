//! What the program says of itself on standard error: warnings and alarms always, what it does with `--verbose`.
//!
//! Only Polder's own events: they hold ids, counts, paths and error texts, by what its types can print. What a library would say of a
//! query or a file might hold values, and is not let through at any level.

use std::io::{self, Write};

use polder_types::printable_lines;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to show events; the more often `--verbose` was given, the more.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().without_time().with_target(false).with_ansi(false).with_writer(Lines);
    // Twice in one process only in tests; the first stays.
    let _ = tracing_subscriber::registry().with(lines).with(own(level)).try_init();
}

/// Every crate of Polder, and nothing else.
fn own(level: LevelFilter) -> Targets {
    Targets::new().with_target("polder", level)
}

/// Standard error, one printable line an event: an object's name or an error's text does not steer a terminal.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().write_all(printable_lines(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn only_polders_own_events_are_shown() {
        let own = own(LevelFilter::TRACE);
        for target in ["polder_app", "polder_keys::keys::lease", "polder_audit::load"] {
            assert!(own.would_enable(target, &Level::TRACE), "{target}");
        }
        for target in ["datafusion", "deltalake_core::kernel", "object_store", "rustls", "log"] {
            assert!(!own.would_enable(target, &Level::ERROR), "{target}");
        }
        let quiet = super::own(LevelFilter::WARN);
        assert!(quiet.would_enable("polder_lake", &Level::WARN) && !quiet.would_enable("polder_lake", &Level::INFO));
    }
}
