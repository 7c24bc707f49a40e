//! `zookeeperConnect`.

use std::fmt;

/// Where ZooKeeper is, with ports, as Kafka's `zookeeper.connect` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperConnect(String);

const DEFAULT_PORT: u16 = 2181;

impl ZooKeeperConnect {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (hosts, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let path = path.trim_end_matches('/');
        if path.contains("//") || !path.chars().all(|c| c.is_ascii_graphic() && c != ',') {
            return Err(format!("`{path}` is no path within ZooKeeper"));
        }
        let hosts: Vec<String> = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        Ok(Self(format!("{}{path}", hosts.join(","))))
    }
}

fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let with_port = match text.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => text.to_owned(),
        _ => format!("{text}:{DEFAULT_PORT}"),
    };
    // The same form as a broker's address.
    with_port
        .parse::<kafka::connection::BootstrapAddress>()
        .map(|address| address.to_string())
        .map_err(|_| format!("`{text}` is no host of ZooKeeper"))
}

impl fmt::Display for ZooKeeperConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_get_the_default_port_and_a_path_stays() {
        let read = |text: &str| ZooKeeperConnect::parse(text).map(|connect| connect.to_string());
        assert_eq!(
            read("zk-headless.default.svc.cluster.local").unwrap(),
            "zk-headless.default.svc.cluster.local:2181"
        );
        assert_eq!(read("a:1, b,c:3/kafka/").unwrap(), "a:1,b:2181,c:3/kafka");
        for bad in ["", "a,,b", "a:x", "http://a", "a/b,c", "a b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
