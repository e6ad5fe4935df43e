//! The threads that speak to the storage. They are apart from those that compute, so that an answer is taken and a lease is renewed while
//! a query keeps all others busy; and whoever waits for them may be any thread, since waiting is all it does.

use std::future::Future;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

use super::trouble::Trouble;

const THREADS: usize = 2;

#[derive(Debug)]
pub(super) struct Io {
    /// Taken when this is dropped, and never before.
    runtime: Option<Runtime>,
}

impl Io {
    pub(super) fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("polder-s3").enable_all().build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs work there, and waits for it here.
    pub(super) fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T, Trouble>> + Send + 'static) -> Result<T, Trouble> {
        let (tell, told) = mpsc::sync_channel(1);
        let running = self.spawn(async move {
            // Who waited is there: it waits for this.
            let _ = tell.send(work.await);
        });
        drop(running);
        // No word comes when the work panicked.
        told.recv().unwrap_or(Err(Trouble::Broken))
    }

    /// Runs work there; nobody waits.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<tokio::task::JoinHandle<()>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(work))
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A runtime that is dropped among another one's tasks would panic; this way it ends by itself.
            runtime.shutdown_background();
        }
    }
}
