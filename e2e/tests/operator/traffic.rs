//! A load on a cluster from outside of Kubernetes, with a watch over its partitions and a witness at its end.

use e2e::sampler::{Found, Sampler};
use e2e::scene::{Outcome, say};
use e2e::stack::connection_to;
use load::witness::{self, WitnessReport};
use load::{Connection, Load, LoadSettings, TopicSettings};

/// The topic that the manifests make for it.
pub(crate) const TOPIC: &str = "orders";

/// What runs until [`Traffic::end`].
pub(crate) struct Traffic {
    connection: Connection,
    load: Load,
    sampler: Sampler,
}

impl Traffic {
    /// Starts it, with so many bytes per second of all partitions together.
    pub(crate) fn start(bootstrap: &str, partitions: u32, bytes_per_second: f64) -> Outcome<Self> {
        let connection = Connection::to(bootstrap);
        let topic = TopicSettings {
            name: TOPIC.to_owned(),
            partitions,
        };
        let sampler = Sampler::start(connection_to(bootstrap)?, 0);
        let load = Load::start(&LoadSettings {
            bytes_per_second,
            ..LoadSettings::new(connection.clone(), vec![topic])
        })?;
        Ok(Self {
            connection,
            load,
            sampler,
        })
    }

    /// Ends it, and says what became of all records and what was seen of partitions meanwhile.
    pub(crate) async fn end(self) -> Outcome<(WitnessReport, Found)> {
        let accounts = self.load.stop().await?;
        let found = self.sampler.found();
        let report = witness::verify(&self.connection, &accounts).await?;
        say(&format!("# {report:?}, {} looks", found.looks))?;
        Ok((report, found))
    }
}
