//! The sidecar: what one broker carries, partition by partition.
//!
//! [`broker`] samples one broker: its MBeans through a Jolokia agent ([`jolokia`], [`jmx`]) and its logs through the
//! Kafka protocol ([`logs`]). [`derivation`] compares one sample with the next; [`rates`] derives what Kafka does not
//! count, the rate of each partition. [`offsets`] does once per cluster what needs all groups: [`consumption`] and lag.
//! [`server`] serves [`report`] to the balancer and [`exposition`] to Prometheus, where [`selection`] and [`busiest`] say
//! of what.
//!
//! The other programs serve, ask, log and keep certificates by the same [`server`], [`http_client`], [`logging`] and [`tls`].

pub mod broker;
pub mod busiest;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consumption;
pub mod consumption_client;
pub mod derivation;
pub mod exposition;
pub mod health;
pub mod http_client;
pub mod jmx;
pub mod jolokia;
pub mod load;
pub mod logging;
pub mod logs;
pub mod offsets;
pub mod probes;
pub mod rates;
pub mod report;
pub mod sampling;
pub mod selection;
pub mod server;
pub mod tls;
pub mod totals;
pub mod window;
