//! Room on the stack. Parsing, planning and computing call themselves once a level of a query, and a stack that ends takes
//! the whole process with it. So the levels of a query are limited, and what works on one gets a stack for all of them.

use std::any::Any;
use std::future::{Future, poll_fn};

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt as _;
use futures::future::BoxFuture;

type Anything = Box<dyn Any + Send>;

/// Enough for the limits in [`super::parse`] and [`super::plan_check`], in builds without optimisation too. Only what is
/// touched takes memory.
const STACK_BYTES: usize = 64 << 20;
/// With less than this left, a new stack is taken.
const LEFT_BYTES: usize = 48 << 20;

/// Runs a function with room on the stack.
pub(crate) fn with_room<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(LEFT_BYTES, STACK_BYTES, work)
}

/// Polls a future with room on the stack.
pub(crate) async fn polled_with_room<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work);
    poll_fn(move |context| with_room(|| work.as_mut().poll(context))).await
}

/// Gives room to the tasks that the engine starts by itself, for joins and exchanges. Once a process: it is the engine's only
/// way to wrap them, and all doors want the same.
pub(crate) fn give_tasks_room() {
    static ROOM: TasksWithRoom = TasksWithRoom;
    // An error says that it was set before.
    let _ = set_join_set_tracer(&ROOM);
}

struct TasksWithRoom;

impl JoinSetTracer for TasksWithRoom {
    fn trace_future(&self, task: BoxFuture<'static, Anything>) -> BoxFuture<'static, Anything> {
        polled_with_room(task).boxed()
    }

    fn trace_block(&self, work: Box<dyn FnOnce() -> Anything + Send>) -> Box<dyn FnOnce() -> Anything + Send> {
        Box::new(|| with_room(work))
    }
}
