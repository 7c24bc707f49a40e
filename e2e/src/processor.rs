//! What a process takes of the processor.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// A process, as `/proc` knows it.
#[derive(Debug, Clone, Copy)]
pub struct Processor {
    process: u32,
}

impl Processor {
    /// The process of this id.
    pub fn of(process: u32) -> Self {
        Self { process }
    }

    /// The share of one core that the process takes while `what` happens.
    ///
    /// # Errors
    ///
    /// There is no such process (any more).
    pub async fn share_during(self, what: impl Future<Output = ()>) -> io::Result<f64> {
        let (began, before) = (Instant::now(), self.time()?);
        what.await;
        let took = self.time()?.saturating_sub(before);
        Ok(took.as_secs_f64() / began.elapsed().as_secs_f64())
    }

    /// User and system time so far: fields 14 and 15 of proc_pid_stat(5).
    ///
    /// # Errors
    ///
    /// There is no such process (any more).
    pub fn time(self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process))?;
        // The second field is the program's name in brackets, which may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: Option<u64> = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().ok())
            .sum();
        let ticks = ticks.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, stat.clone()))?;
        Ok(Duration::from_secs_f64(
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        ))
    }
}
