//! Hosts with a cable each, all of them at one bridge, where a cable carries as much as a test says and no more.
//!
//! A cable has a queue at either end, as a network card and a port of a switch have: what does not fit on it waits, and
//! what does not fit into the queue is lost.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use super::{ip, third_octet};
use crate::command::run;
use crate::local_kafka::Place;
use crate::scene::mention;

/// How much waits at an end of a cable, in bytes. At 8 MB/s that is the delay of a switch's port that is full: some tens
/// of milliseconds.
const QUEUE: u64 = 256_000;

/// What passes at once, in bytes: a few packets, so that a cable is not only on average as slow as it is to be.
const BURST: u64 = 10_000;

/// The bridge, and a network namespace for each host. Dropping it takes it away; this machine's own end is the bridge,
/// and the cable to it is as quick as it gets.
#[derive(Debug)]
pub struct Lan {
    bridge: String,
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    namespace: String,
    /// The end of its cable at the bridge, and its own.
    port: String,
    card: String,
    address: Ipv4Addr,
}

impl Lan {
    /// Makes it, with cables that are not slow yet; there is at most one in a process.
    ///
    /// # Errors
    ///
    /// `ip` cannot be run or refuses, such as without root.
    pub fn new(hosts: u8) -> io::Result<Self> {
        let process = std::process::id();
        // 15 characters at most.
        let bridge = format!("lan{process}");
        let mut lan = Self {
            bridge: bridge.clone(),
            hosts: Vec::new(),
        };
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&[
            "addr",
            "add",
            &format!("{}/24", lan.own_address()),
            "dev",
            &bridge,
        ])?;
        ip(&["link", "set", &bridge, "up"])?;
        for number in 0..hosts {
            lan.hosts.push(Host {
                namespace: format!("lan-{process}-{number}"),
                port: format!("lan{process}p{number}"),
                card: format!("lan{process}c{number}"),
                address: Ipv4Addr::new(10, 214, third_octet(), 10 + number),
            });
            lan.hosts[usize::from(number)].connect(&bridge)?;
        }
        Ok(lan)
    }

    /// This machine's address as the hosts know it.
    pub fn own_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 214, third_octet(), 1)
    }

    /// The hosts, for brokers to run on.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.hosts.iter().map(|host| Place {
            address: host.address,
            enter: ["ip", "netns", "exec", &host.namespace].map(str::to_owned).into(),
        })
    }

    /// How many bytes each cable has carried, to its host and from it.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn carried(&self) -> io::Result<Vec<u64>> {
        let ends = self.hosts.iter().map(|host| &host.port);
        let counters = ends.flat_map(|port| {
            ["tx_bytes", "rx_bytes"].map(|name| format!("/sys/class/net/{port}/statistics/{name}"))
        });
        let read = |counter| {
            fs::read_to_string(counter)?
                .trim()
                .parse()
                .map_err(io::Error::other)
        };
        counters.map(read).collect()
    }

    /// From now on each cable carries so many bytes per second in each direction, headers included.
    ///
    /// # Errors
    ///
    /// `tc` cannot be run or refuses.
    pub fn slow_down(&self, bytes_per_second: u64) -> io::Result<()> {
        let rate = format!("{}bit", 8 * bytes_per_second);
        let (burst, limit) = (BURST.to_string(), QUEUE.to_string());
        let shape = ["root", "tbf", "rate", &rate, "burst", &burst, "limit", &limit];
        for host in &self.hosts {
            let own = ["-n", &host.namespace, "qdisc", "replace", "dev", &host.card];
            run("tc", &[&own[..], &shape].concat())?;
            run(
                "tc",
                &[&["qdisc", "replace", "dev", &host.port][..], &shape].concat(),
            )?;
        }
        Ok(())
    }
}

impl Host {
    fn connect(&self, bridge: &str) -> io::Result<()> {
        let Self {
            namespace,
            port,
            card,
            address,
        } = self;
        ip(&["netns", "add", namespace])?;
        // BBR, which some systems have as their default, takes minutes to see that a cable has become slow.
        let reno = "net.ipv4.tcp_congestion_control=reno";
        ip(&["netns", "exec", namespace, "sysctl", "-q", "-w", reno])?;
        ip(&[
            "link", "add", port, "type", "veth", "peer", "name", card, "netns", namespace,
        ])?;
        ip(&["link", "set", port, "master", bridge, "up"])?;
        ip(&[
            "-n",
            namespace,
            "addr",
            "add",
            &format!("{address}/24"),
            "dev",
            card,
        ])?;
        ip(&["-n", namespace, "link", "set", card, "up"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in &self.hosts {
            gone(ip(&["link", "del", &host.port]));
            gone(ip(&["netns", "del", &host.namespace]));
        }
        gone(ip(&["link", "del", &self.bridge]));
    }
}

fn gone(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        mention(&format!("a part of a network could not be taken away: {error}"));
    }
}
