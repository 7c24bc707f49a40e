//! The thread that samples. Whatever it is busy with or stuck in, the one that serves goes on.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::sync::oneshot;

use crate::probes::Probes;

/// A loop that samples, on a thread of its own.
#[derive(Debug)]
pub struct Sampling<S> {
    /// What is known at any moment.
    pub view: Arc<S>,
    /// How the loop is doing.
    pub probes: Arc<Probes>,
    /// Comes when the loop has ended after the signal to stop; fails when it ended by a fault of this program.
    pub ended: oneshot::Receiver<()>,
}

/// Runs the loop on a thread of its own. One thread for all that it does: the work of a sample is milliseconds, and each
/// thread more would keep a heap of its own.
pub(crate) fn on_own_thread(
    sampling: impl Future<Output = ()> + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (tell, ended) = oneshot::channel();
    thread::Builder::new()
        .name("sampling".to_owned())
        .spawn(move || {
            runtime.block_on(sampling);
            // Nobody listens when the process is on its way out.
            let _ = tell.send(());
            runtime.shutdown_background();
        })?;
    Ok(ended)
}
