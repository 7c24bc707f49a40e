//! The HTTP API and its page: reading is open, acting needs the bearer token of a file. No answer allows pages of other sites
//! to read it.

mod auth;
pub(crate) mod body;
mod browsers;
mod digest;
mod events;
mod page;
mod routes;
#[cfg(test)]
mod tests;
pub mod view;

pub use browsers::Hosts;
pub use routes::{ApiDoc, Shared, router};
