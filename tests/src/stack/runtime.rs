//! The runtime that in-process servers live on.
//!
//! It is their own, so that a receiver goes on while the test's runtime is blocked, paused in time or gone.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

use super::error::StackError;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Runs `task` on the stack's runtime.
pub(super) fn spawn<T>(task: impl Future<Output = T> + Send + 'static) -> Result<JoinHandle<T>, StackError>
where
    T: Send + 'static,
{
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.spawn(task));
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("test-stack")
        .enable_all()
        .build()
        .map_err(StackError::io("starting the stack's runtime"))?;
    // Of two tests that start it at the same time one is too late, and may not wait for its own to end.
    if let Err(late) = RUNTIME.set(runtime) {
        late.shutdown_background();
    }
    RUNTIME
        .get()
        .map(|it| it.spawn(task))
        .ok_or_else(|| StackError::io("the stack's runtime")(std::io::ErrorKind::NotFound.into()))
}

/// Ends a task, and all that it owns, when its owner goes.
#[derive(Debug)]
pub(super) struct TaskGuard(AbortHandle);

impl TaskGuard {
    pub(super) fn new<T>(task: &JoinHandle<T>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for TaskGuard {
    /// Returns when the task is gone: a listener that it owned refuses connections from then on.
    fn drop(&mut self) {
        self.0.abort();
        while on_another_runtime() && !self.0.is_finished() {
            std::thread::yield_now();
        }
    }
}

/// Waiting for the stack's runtime on its own only thread would never end.
fn on_another_runtime() -> bool {
    std::thread::current().name() != Some("test-stack")
}
