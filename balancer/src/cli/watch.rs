//! `status --watch`: the status again and again, in place.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, size,
};
use crossterm::{execute, queue};
use kafka::error::with_causes;
use tokio::time::MissedTickBehavior;

use super::status::{Drawing, status};
use crate::background::stop_on_signals;
use crate::client::{ClientError, Server, Status};

/// How long the balancer has for an answer; who watches wants to know soon that there is none.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Rows that are shown where the terminal does not say how many it has.
const ROWS: u16 = 24;

/// Brokers that even a low window shows; a third of its rows are theirs.
const LEAST_BROKERS: usize = 4;

/// Shows the status every so often until the program is told to stop, whether or not the balancer answers.
///
/// # Errors
///
/// Signals cannot be received, or nothing be written.
pub(super) async fn watch(server: &Server, every: Duration) -> io::Result<()> {
    let stop = stop_on_signals()?;
    let screen = Screen::open()?;
    let mut sight = Sight::default();
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let Some(answer) = stop.run_until_cancelled(server.status()).await else {
            break;
        };
        sight.take(answer, unix_seconds());
        match screen.show(&sight, every) {
            // Whoever read it has gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            shown => shown?,
        }
    }
    Ok(())
}

/// What was seen last, and since when nothing is.
#[derive(Debug, Default)]
struct Sight {
    last: Option<(u64, Status)>,
    silence: Option<Silence>,
    now: u64,
}

#[derive(Debug)]
struct Silence {
    since: u64,
    reason: String,
}

impl Sight {
    fn take(&mut self, answer: Result<Status, ClientError>, now: u64) {
        self.now = now;
        match answer {
            Ok(status) => {
                self.last = Some((now, status));
                self.silence = None;
            }
            Err(error) => {
                let since = self.silence.as_ref().map_or(now, |silence| silence.since);
                let reason = with_causes(&error);
                self.silence = Some(Silence { since, reason });
            }
        }
    }

    /// Since when there is no answer, and why.
    fn trouble(&self) -> Option<String> {
        let silence = self.silence.as_ref()?;
        Some(format!(
            "NO ANSWER since {} ({} s): {}",
            time_of_day(silence.since),
            self.now.saturating_sub(silence.since),
            silence.reason
        ))
    }
}

/// Where it is shown.
enum Screen {
    /// A terminal, in place; it is left as it was.
    Terminal { colour: bool },
    /// Anything else, one status after the other, as plain text.
    Text,
}

impl Screen {
    fn open() -> io::Result<Self> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if !io::stdout().is_terminal() || is_dumb {
            return Ok(Self::Text);
        }
        let screen = Self::Terminal {
            colour: !is_set("NO_COLOR"),
        };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(screen)
    }

    fn show(&self, sight: &Sight, every: Duration) -> io::Result<()> {
        let mut frame = Vec::new();
        match self {
            Self::Terminal { colour } => {
                let (_, rows) = size().unwrap_or((0, ROWS));
                draw(&mut frame, &lines(sight, every, *colour, rows.into()))?;
            }
            Self::Text => write_text(&mut frame, sight)?,
        }
        let mut out = io::stdout().lock();
        out.write_all(&frame)?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Self::Terminal { .. } = self {
            // A terminal that has gone needs nothing put back.
            let _ = execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen);
        }
    }
}

/// What fits a window of so many rows.
fn lines(sight: &Sight, every: Duration, colour: bool, rows: usize) -> Vec<String> {
    let mut text = format!(
        "{}, every {} s; Ctrl-C ends it\n",
        time_of_day(sight.now),
        every.as_secs()
    );
    if let Some(trouble) = sight.trouble() {
        text.push_str(&format!("{trouble}\n"));
    }
    if let Some((seen, last)) = &sight.last {
        if sight.silence.is_some() {
            text.push_str(&format!("What was seen at {}:\n", time_of_day(*seen)));
        }
        let drawing = Drawing {
            colour,
            most_brokers: (rows / 3).max(LEAST_BROKERS),
        };
        text.push('\n');
        text.push_str(&status(last, drawing));
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > rows && rows > 0 {
        let more = lines.len() - (rows - 1);
        lines.truncate(rows - 1);
        lines.push(format!(
            "… {more} more lines: make the window taller, or see `status`"
        ));
    }
    lines
}

/// Writes lines over what is there, so that nothing flickers.
fn draw(frame: &mut Vec<u8>, lines: &[String]) -> io::Result<()> {
    queue!(frame, MoveTo(0, 0))?;
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            frame.extend_from_slice(b"\r\n");
        }
        frame.extend_from_slice(line.as_bytes());
        queue!(frame, Clear(ClearType::UntilNewLine))?;
    }
    queue!(frame, Clear(ClearType::FromCursorDown))
}

fn write_text(frame: &mut Vec<u8>, sight: &Sight) -> io::Result<()> {
    writeln!(frame, "{}", time_of_day(sight.now))?;
    match (sight.trouble(), &sight.last) {
        (Some(trouble), _) => writeln!(frame, "{trouble}\n"),
        (None, Some((_, last))) => writeln!(frame, "{}\n", status(last, Drawing::FULL)),
        (None, None) => Ok(()),
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// In UTC, as the balancer's own times are.
fn time_of_day(unix_seconds: u64) -> String {
    let second = unix_seconds % (24 * 3600);
    format!("{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
