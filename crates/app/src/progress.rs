//! Progress on standard error: a line that moves on a terminal, one line a step elsewhere.

use std::borrow::Cow;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use polder_types::printable;

/// The progress of one long step.
pub struct Progress {
    bar: Option<ProgressBar>,
    name: String,
}

impl Progress {
    /// Begins a step of unknown length.
    pub fn start(name: impl Into<String>) -> Self {
        let name = printable(&name.into()).into_owned();
        let bar = (crate::hosted::current().is_none() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {human_pos} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, name }
    }

    /// What has been done so far.
    pub fn at(&self, position: u64, message: impl Into<Cow<'static, str>>) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(message);
        }
    }

    /// Ends the step with its result.
    pub fn finish(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        crate::print::note(&format!("{}: {}", self.name, printable(result)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
