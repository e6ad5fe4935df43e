//! The end of serving: nobody new is let in, and those who are in finish what they asked.

use tokio::sync::watch;

/// Tells all connections that serving ends. Clones are one.
#[derive(Debug, Clone)]
pub struct Drain {
    begun: watch::Sender<bool>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { begun: watch::Sender::new(false) }
    }
}

impl Drain {
    /// Serving ends: from now on every connection closes as soon as it is not answering.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether it ends.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until it ends.
    pub async fn begins(&self) {
        let mut begun = self.begun.subscribe();
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = begun.wait_for(|begun| *begun).await;
    }
}
