//! Conditions are trees, and Cedar walks them by recursion: a chain of a thousand `||` is a thousand calls deep. Where such a walk would end
//! the program for want of stack, it is made on a thread that has enough.

use crate::asker::Boxed;

/// The most parts that a policy's conditions may have: names, constants, operators. No walk is deeper than that.
pub(crate) const PARTS_MAX: usize = 10_000;
/// What is walked on any thread's stack.
pub(crate) const PARTS_SHALLOW: usize = 100;
/// Enough for [`PARTS_MAX`] calls of a build without optimisation. It is reserved, and used only as far as a walk goes.
const STACK_BYTES: usize = 256 << 20;

/// Does something on a thread with room for the deepest condition.
///
/// # Errors
/// When the system gives no such thread.
pub(crate) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Boxed> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        thread.join().map_err(|_| Boxed::from("the thread for policies ended early"))
    })
}
