//! The terminal: a screen that is redrawn, or lines where there is no terminal.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

use balancer::api::view::{BrokerView, MoveView, PlanView};
use balancer::model::Resource;

use crate::sight::Sight;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often a step that takes its time is redrawn.
const STEP_EVERY: Duration = Duration::from_secs(2);
/// How many of the latest events the screen shows.
const EVENTS: usize = 7;
/// How many moves the screen shows.
const MOVES: usize = 8;

/// What the producers notice, over the last seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) acknowledged: u64,
}

/// Where everything is shown.
pub(crate) struct Screen {
    started: Instant,
    terminal: bool,
    /// Whether the alternate screen is on.
    drawing: bool,
    last_line: Option<Instant>,
    events: VecDeque<String>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            terminal: io::stdout().is_terminal(),
            drawing: false,
            last_line: None,
            events: VecDeque::new(),
        }
    }

    fn elapsed(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }

    /// Says one thing that stays.
    pub(crate) fn say(&mut self, text: &str) {
        let line = format!("{} {text}", self.elapsed());
        if self.drawing {
            self.events.push_back(line);
            if self.events.len() > EVENTS {
                self.events.pop_front();
            }
        } else {
            print(&format!("{line}\n"));
        }
    }

    /// Waits for a step, and says while it lasts that it does.
    pub(crate) async fn during<T>(&mut self, what: &str, step: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let every = if self.terminal { STEP_EVERY } else { LINE_EVERY };
        let mut step = std::pin::pin!(step);
        loop {
            if self.terminal && !self.drawing {
                print(&format!(
                    "\r{} {what} … {} s",
                    self.elapsed(),
                    start.elapsed().as_secs()
                ));
            }
            match tokio::time::timeout(every, &mut step).await {
                Ok(done) => {
                    if self.terminal && !self.drawing {
                        print("\r\x1b[K");
                    }
                    self.say(&format!("{what} ({:.1} s)", start.elapsed().as_secs_f64()));
                    return done;
                }
                Err(_) if self.terminal => {}
                Err(_) => self.say(&format!("{what} … {} s", start.elapsed().as_secs())),
            }
        }
    }

    /// Shows the present state under a headline.
    pub(crate) fn show(&mut self, headline: &str, sight: &Sight, pulse: &Pulse) {
        if self.terminal {
            if !self.drawing {
                // The alternate screen, without wrapping of long lines and without the cursor.
                print("\x1b[?1049h\x1b[?7l\x1b[?25l");
                self.drawing = true;
            }
            let frame = self.frame(headline, sight, pulse);
            print(&format!("\x1b[H{}\x1b[J", frame.replace('\n', "\x1b[K\n")));
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            print(&format!("{} {}\n", self.elapsed(), line(headline, sight, pulse)));
        }
    }

    /// Goes back to plain output.
    pub(crate) fn leave(&mut self) {
        if self.drawing {
            print("\x1b[?25h\x1b[?7h\x1b[?1049l");
            self.drawing = false;
            for event in std::mem::take(&mut self.events) {
                print(&format!("{event}\n"));
            }
        }
    }

    fn frame(&self, headline: &str, sight: &Sight, pulse: &Pulse) -> String {
        let mut text = format!("{}  {headline}\n\n", self.elapsed());
        text += "broker rack   bytes in               bytes out              leaders replicas\n";
        for broker in &sight.brokers {
            let _ = writeln!(
                text,
                "{:>6} {:<4}   {}  {}  {:>7} {:>8}",
                broker.id.get(),
                broker.rack.as_deref().unwrap_or("-"),
                bar(broker, Resource::BytesIn),
                bar(broker, Resource::BytesOut),
                broker.leaders,
                broker.replicas,
            );
        }
        let _ = writeln!(text, "\n{}\n{}\n", imbalance(sight), pulsed(pulse));
        if sight.hot.partitions.is_empty() && sight.hot.brokers.is_empty() {
            text += "nothing is hot\n";
        }
        for hot in &sight.hot.brokers {
            let _ = writeln!(text, "hot: broker {}: {}", hot.broker, hot.explanation);
        }
        for hot in &sight.hot.partitions {
            let _ = writeln!(
                text,
                "hot: {}-{}: {} ({})",
                hot.topic, hot.partition, hot.explanation, hot.cause
            );
            let _ = writeln!(text, "     {}: {}", hot.verdict, hot.advice);
        }
        if let Some(plan) = &sight.plan {
            let _ = writeln!(text, "\n{}", progress(plan));
            let unfinished = |change: &&MoveView| change.ended_at_ms.is_none();
            let ended = plan.moves.iter().filter(|change| change.ended_at_ms.is_some());
            let first = plan.moves.iter().filter(unfinished).chain(ended);
            for change in first.take(MOVES) {
                let _ = writeln!(text, "  {}", moved(change));
            }
        }
        text.push('\n');
        for event in &self.events {
            let _ = writeln!(text, "{event}");
        }
        text
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// One line for those who have no terminal.
fn line(headline: &str, sight: &Sight, pulse: &Pulse) -> String {
    let hot = sight
        .hot
        .partitions
        .iter()
        .map(|hot| format!("{}-{}", hot.topic, hot.partition));
    let hot = hot.collect::<Vec<_>>().join(" ");
    let plan = sight.plan.as_ref().map(progress).unwrap_or_default();
    let used = |resource| {
        let of = |broker: &BrokerView| format!("{:.0}", broker.utilisation.of(resource) * 100.0);
        sight.brokers.iter().map(of).collect::<Vec<_>>().join("/")
    };
    format!(
        "{headline} | in {} % out {} % | {} | hot: {} | {} {plan}",
        used(Resource::BytesIn),
        used(Resource::BytesOut),
        imbalance(sight),
        if hot.is_empty() { "none" } else { &hot },
        pulsed(pulse),
    )
}

fn bar(broker: &BrokerView, resource: Resource) -> String {
    const WIDTH: usize = 12;
    let utilisation = broker.utilisation.of(resource);
    let filled = ((utilisation * WIDTH as f64).round().max(0.0) as usize).min(WIDTH);
    let is_hot = broker.hot.contains(&resource);
    format!(
        "{}{}{}\x1b[0m {:>3.0} % {}",
        if is_hot { "\x1b[31m" } else { "\x1b[32m" },
        "█".repeat(filled),
        "░".repeat(WIDTH - filled),
        utilisation * 100.0,
        if is_hot { "hot" } else { "   " },
    )
}

fn imbalance(sight: &Sight) -> String {
    let imbalance = sight.imbalance();
    format!(
        "imbalance in {:.2} out {:.2}",
        imbalance.bytes_in, imbalance.bytes_out
    )
}

fn pulsed(pulse: &Pulse) -> String {
    format!(
        "producers {:.1} MB/s, p50 {:.0} ms, p99 {:.0} ms, {} records acknowledged",
        pulse.bytes_per_second / 1e6,
        pulse.p50_ms,
        pulse.p99_ms,
        pulse.acknowledged,
    )
}

fn progress(plan: &PlanView) -> String {
    let ended = plan
        .moves
        .iter()
        .filter(|change| change.ended_at_ms.is_some())
        .count();
    let copied: u64 = plan.moves.iter().map(|change| change.bytes_done).sum();
    let fastest = plan
        .throttles
        .iter()
        .filter_map(|throttle| throttle.leader_rate)
        .max();
    let throttled = fastest.map_or_else(String::new, |rate| {
        format!(", throttled to {:.1} MB/s or less", rate as f64 / 1e6)
    });
    format!(
        "plan {} to {}: {ended} of {} moves, {:.1} of {:.1} MB{throttled}",
        plan.id.unwrap_or_default(),
        plan.purpose,
        plan.moves.len(),
        copied as f64 / 1e6,
        plan.bytes as f64 / 1e6,
    )
}

fn moved(change: &MoveView) -> String {
    let ids = |brokers: &[kafka::BrokerId]| {
        let ids: Vec<String> = brokers.iter().map(ToString::to_string).collect();
        ids.join(",")
    };
    let copied = if change.leadership_only {
        "no bytes".to_owned()
    } else {
        format!(
            "{:.1} of {:.1} MB",
            change.bytes_done as f64 / 1e6,
            change.bytes as f64 / 1e6
        )
    };
    format!(
        "{:<12} {}-{} [{}] → [{}], {copied}: {}",
        change.state,
        change.topic,
        change.partition,
        ids(&change.from),
        ids(&change.to),
        change.reason,
    )
}

/// Output that nobody reads any more is no reason to fail; what counts is the exit code and the summary.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}
