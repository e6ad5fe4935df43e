//! The process itself: no core dump, no debugger, no file that others can read.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::failure::{Failure, Outcome};
use crate::print::note;
use polder_types::ErrorKind;

/// Lets a panic say where it was and nothing of what it was about: its message may quote what it could not handle, such as a value.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        note(&format!("defect: panicked at {place}; report this place, and what was being done"));
    }));
}

/// Turns core dumps and foreign debuggers off and makes every new file private, before any secret is read.
pub fn harden() -> Outcome {
    let refused = |step: &'static str| move |error: rustix::io::Errno| Failure::because(ErrorKind::Unavailable, step, &error);
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(refused("turn core dumps off; no secret is read while they are on"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(refused("keep other processes from reading this one's memory; no secret is read while they may"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "planted.panic@exemple.fr";
    const HOW: &str = "POLDER_TEST_PANIC";

    /// What the child does; without its variable, nothing.
    #[test]
    fn a_child_panics_over_a_value() {
        match std::env::var(HOW).as_deref() {
            Ok("quiet") => quiet_panics(),
            Ok(_) => {}
            Err(_) => return,
        }
        panic!("cannot take {VALUE}");
    }

    #[test]
    fn a_panic_over_a_value_tells_its_place_alone() {
        let told = |how: &str| {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "harden::tests::a_child_panics_over_a_value", "--nocapture", "--test-threads", "1"]);
            let output = child.env(HOW, how).env("RUST_BACKTRACE", "full").output().unwrap();
            assert!(!output.status.success(), "{how}");
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let quiet = told("quiet");
        assert!(quiet.contains("defect: panicked at ") && quiet.contains("harden.rs:"), "{quiet}");
        assert!(!quiet.contains(VALUE), "{quiet}");
        // The control: the message holds the value, and is told by whoever does not keep it.
        assert!(told("plain").contains(VALUE));
    }
}
