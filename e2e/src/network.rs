//! A network of its own for a program, which can be cut: a network namespace and a pair of virtual interfaces.
//! Making one needs root.

pub mod lan;

use std::io;
use std::net::Ipv4Addr;

use crate::command::run;
use crate::scene::mention;

/// The network. Dropping it takes it away; programs in it lose their interface, not their life.
#[derive(Debug)]
pub struct Network {
    namespace: String,
    /// The interface on this machine's side.
    link: String,
    inside: Ipv4Addr,
}

impl Network {
    /// This machine's address in the network that [`Network::new`] makes in this process; a broker's listener can be
    /// [`Reached::At`](crate::Reached) it before there is one.
    pub fn outside() -> Ipv4Addr {
        Ipv4Addr::new(10, 213, third_octet(), 1)
    }

    /// Makes it; there is at most one in a process.
    ///
    /// # Errors
    ///
    /// `ip` cannot be run or refuses, such as without root.
    pub fn new() -> io::Result<Self> {
        let process = std::process::id();
        let network = Self {
            namespace: format!("kafka-{process}"),
            // 15 characters at most.
            link: format!("kfk{process}o"),
            inside: Ipv4Addr::new(10, 213, third_octet(), 2),
        };
        let (namespace, link, peer) = (&network.namespace, &network.link, format!("kfk{process}i"));
        ip(&["netns", "add", namespace])?;
        ip(&[
            "link", "add", link, "type", "veth", "peer", "name", &peer, "netns", namespace,
        ])?;
        ip(&["addr", "add", &format!("{}/30", Self::outside()), "dev", link])?;
        ip(&["link", "set", link, "up"])?;
        let inside = format!("{}/30", network.inside);
        ip(&["-n", namespace, "addr", "add", &inside, "dev", &peer])?;
        ip(&["-n", namespace, "link", "set", &peer, "up"])?;
        ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        Ok(network)
    }

    /// The address of programs in it.
    pub fn inside(&self) -> Ipv4Addr {
        self.inside
    }

    /// What a command line has to begin with to run in it.
    pub fn enter(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace].map(str::to_owned).into()
    }

    /// Loses every packet from now on, without a word to either side.
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn cut(&self) -> io::Result<()> {
        ip(&["link", "set", &self.link, "down"])
    }

    /// Undoes [`Network::cut`].
    ///
    /// # Errors
    ///
    /// `ip` refuses.
    pub fn mend(&self) -> io::Result<()> {
        ip(&["link", "set", &self.link, "up"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The interfaces go with the namespace as soon as nobody is in it, and these at once.
        for gone in [
            ip(&["link", "del", &self.link]),
            ip(&["netns", "del", &self.namespace]),
        ] {
            if let Err(error) = gone {
                mention(&format!("a network could not be taken away: {error}"));
            }
        }
    }
}

/// Processes that run at the same time are unlikely to share it.
fn third_octet() -> u8 {
    (std::process::id() % 250) as u8
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    run("ip", arguments).map(drop)
}
