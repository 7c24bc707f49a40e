//! The project's binaries as processes.

use std::error::Error;
use std::time::Duration;

use e2e::process::{Process, ProcessError, Program};

#[tokio::test]
async fn a_program_that_ends_before_it_is_ready_is_noticed_at_once() -> Result<(), Box<dyn Error>> {
    let mut sidecar = Process::start(Program::Sidecar, &["broker"], "no_such_setting: true\n")?;
    let failed = sidecar.ready("http://127.0.0.1:9", Duration::from_secs(60)).await;
    assert!(matches!(failed, Err(ProcessError::Ended { .. })), "{failed:?}");
    assert!(sidecar.exit_status().is_some());
    Ok(())
}
