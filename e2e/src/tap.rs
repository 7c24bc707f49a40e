//! A proxy between one client and the brokers, which knows Kafka's requests and can kill a process at any of them: the
//! client, or a broker or controller that it asks. It can halt the client too, and keep its request for later.
//!
//! Brokers advertise the proxy's addresses on a listener of their own ([`Reached::Through`](crate::Reached)), so that
//! everything that the client sends passes through.

mod connection;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

/// A request that changes something in Kafka or writes the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Records of the journal.
    Produce,
    /// The journal's writer makes itself the only one.
    InitProducerId,
    /// The journal's topic becomes part of a transaction; newer brokers do that by themselves.
    AddPartitionsToTxn,
    /// A transaction of the journal is committed or aborted.
    EndTxn,
    /// Preferred leaders are elected.
    ElectLeaders,
    /// Configuration is changed.
    IncrementalAlterConfigs,
    /// Reassignments are begun or cancelled.
    AlterPartitionReassignments,
}

impl Kind {
    /// By Kafka's number of the request.
    fn of(api_key: i16) -> Option<Self> {
        Some(match api_key {
            0 => Self::Produce,
            22 => Self::InitProducerId,
            24 => Self::AddPartitionsToTxn,
            26 => Self::EndTxn,
            43 => Self::ElectLeaders,
            44 => Self::IncrementalAlterConfigs,
            45 => Self::AlterPartitionReassignments,
            _ => return None,
        })
    }

    /// Whether it changes the cluster, and not only the journal.
    pub fn changes_cluster(self) -> bool {
        matches!(
            self,
            Self::ElectLeaders | Self::IncrementalAlterConfigs | Self::AlterPartitionReassignments
        )
    }
}

/// A request that passed, or was kept from passing.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// What it was.
    pub kind: Kind,
    /// How many of its kind there had been with it since the tap was told to watch.
    pub nth: usize,
    /// When.
    pub at: Instant,
}

/// On which side of a request the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Kafka never gets the request.
    Before,
    /// Kafka has answered, and the client never gets the answer.
    After,
}

/// Where the process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The kind of request.
    pub kind: Kind,
    /// Which one of its kind; the first is 1.
    pub nth: usize,
    /// Before or after it.
    pub side: Side,
}

/// The proxy. Its threads end with the process.
#[derive(Debug)]
pub struct Tap {
    addresses: Vec<String>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The brokers' own addresses.
    targets: Vec<String>,
    seen: Vec<Request>,
    point: Option<Point>,
    deed: Deed,
    victim: Option<Pid>,
    struck: Option<Instant>,
    released: bool,
}

/// What is done at a point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Deed {
    /// The process is killed, and the request or its answer is lost.
    #[default]
    Kill,
    /// The process is halted, and the request kept until it is released.
    Hold,
}

impl Tap {
    /// Listens at as many addresses as there are brokers.
    ///
    /// # Errors
    ///
    /// There are no ports or threads.
    pub fn open(brokers: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut addresses = Vec::new();
        for broker in 0..brokers {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, crate::port::free()?))?;
            addresses.push(listener.local_addr()?.to_string());
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("tap".to_owned())
                .spawn(move || {
                    for client in listener.incoming().flatten() {
                        connection::relay(client, broker, &shared);
                    }
                })?;
        }
        Ok(Self { addresses, shared })
    }

    /// Where it listens, by broker.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Says where the brokers themselves are, in the order of [`Tap::addresses`].
    pub fn lead_to(&self, targets: Vec<String>) {
        self.shared.lock().targets = targets;
    }

    /// Forgets what has passed and lets everything pass.
    pub fn watch(&self) {
        self.expect(None, Deed::Kill);
    }

    /// Forgets what has passed, and kills a process at `point`; [`Tap::aim`] says which.
    pub fn strike_at(&self, point: Point) {
        self.expect(Some(point), Deed::Kill);
    }

    /// Forgets what has passed, and at a request halts the process that [`Tap::aim`] names. The request is on its way
    /// until [`Tap::release`]; the process goes on when somebody lets it.
    pub fn hold_at(&self, kind: Kind, nth: usize) {
        let side = Side::Before;
        self.expect(Some(Point { kind, nth, side }), Deed::Hold);
    }

    /// Lets the request that is being held get to its broker.
    pub fn release(&self) {
        self.shared.lock().released = true;
        self.shared.changed.notify_all();
    }

    fn expect(&self, point: Option<Point>, deed: Deed) {
        let mut state = self.shared.lock();
        let targets = std::mem::take(&mut state.targets);
        *state = State {
            targets,
            point,
            deed,
            ..State::default()
        };
    }

    /// Names the process. Until then nothing that is to be struck goes on.
    ///
    /// # Errors
    ///
    /// It is no process id.
    pub fn aim(&self, process: u32) -> io::Result<()> {
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other(format!("{process} is no process")))?;
        self.shared.lock().victim = Some(pid);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// When the process was killed or halted, if it was.
    pub fn struck(&self) -> Option<Instant> {
        self.shared.lock().struck
    }

    /// The requests that have passed.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.lock().seen.clone()
    }
}

impl Shared {
    /// The state is whole between any two statements that change it, so that a poisoned lock is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, broker: usize) -> Option<String> {
        self.lock().targets.get(broker).cloned()
    }

    /// Notes a request, and answers on which side of it something is to be done.
    fn note(&self, kind: Kind) -> Option<Side> {
        let mut state = self.lock();
        let nth = 1 + state.seen.iter().filter(|seen| seen.kind == kind).count();
        let at = Instant::now();
        state.seen.push(Request { kind, nth, at });
        let point = state
            .point
            .filter(|point| (point.kind, point.nth) == (kind, nth) && state.struck.is_none());
        point.map(|point| point.side)
    }

    /// Does the deed, and answers whether the request or answer is to go on after it.
    fn strike(&self) -> bool {
        let mut state = self.lock();
        let victim = loop {
            if let Some(victim) = state.victim {
                break victim;
            }
            state = self.wait(state);
        };
        let signal = match state.deed {
            Deed::Kill => Signal::KILL,
            Deed::Hold => Signal::STOP,
        };
        // One that has ended already is as dead as it is to be.
        let _ = kill_process(victim, signal);
        state.struck = Some(Instant::now());
        while state.deed == Deed::Hold && !state.released {
            state = self.wait(state);
        }
        state.deed == Deed::Hold
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}
