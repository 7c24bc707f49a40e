//! A proxy between one client and the brokers, which knows Kafka's requests and can kill the client at any of them.
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

/// On which side of a request the client is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Kafka never gets the request.
    Before,
    /// Kafka has answered, and the client never gets the answer.
    After,
}

/// Where the client is killed.
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
    aimed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The brokers' own addresses.
    targets: Vec<String>,
    seen: Vec<Request>,
    point: Option<Point>,
    victim: Option<Pid>,
    struck: Option<Instant>,
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
        let mut state = self.shared.lock();
        state.seen.clear();
        state.point = None;
        state.victim = None;
        state.struck = None;
    }

    /// Forgets what has passed, and kills the client at `point`; [`Tap::aim`] says who that is.
    pub fn strike_at(&self, point: Point) {
        self.watch();
        self.shared.lock().point = Some(point);
    }

    /// Names the client's process. Until then nothing that is to be struck goes on.
    ///
    /// # Errors
    ///
    /// It is no process id.
    pub fn aim(&self, process: u32) -> io::Result<()> {
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other(format!("{process} is no process")))?;
        self.shared.lock().victim = Some(pid);
        self.shared.aimed.notify_all();
        Ok(())
    }

    /// When the client was killed, if it was.
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

    /// Notes a request, and answers on which side of it the client is to be killed.
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

    /// Kills the client.
    fn strike(&self) {
        let mut state = self.lock();
        let victim = loop {
            if let Some(victim) = state.victim {
                break victim;
            }
            state = self.aimed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        // One that has ended already is as dead as it is to be.
        let _ = kill_process(victim, Signal::KILL);
        state.struck = Some(Instant::now());
    }
}
