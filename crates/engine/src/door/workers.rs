//! The threads that compute answers. They are apart from those that listen, speak and keep the time: a query may compute at a stretch for long, and
//! as many of them as there are threads would hold up all else, the end of their own time too.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::stack::polled_with_room;
use crate::error::Error;

/// Plans are deep.
const STACK_BYTES: usize = 8 << 20;

/// One set for the process, whatever doors there are; it ends with it.
static WORKERS: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().enable_all().thread_name("query").thread_stack_size(STACK_BYTES).build());

/// The threads.
///
/// # Errors
/// When the operating system gives none.
pub(crate) fn workers() -> Result<&'static Handle, Error> {
    match &*WORKERS {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(Error::SetUp(format!("no threads for queries: {error}"))),
    }
}

/// Does some work there. It ends when nobody waits for it any more.
///
/// # Errors
/// Those of the work; a defect in it.
pub(crate) async fn done<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    let mut task = Waited(workers()?.spawn(polled_with_room(work)));
    match (&mut task.0).await {
        Ok(done) => done,
        Err(error) => Err(Error::SetUp(format!("the task of a query ended early: {error}"))),
    }
}

struct Waited<T>(JoinHandle<T>);

impl<T> Drop for Waited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
