//! The HTTP API and its page: reading is open, acting needs the bearer token of a file.

mod auth;
pub(crate) mod body;
mod digest;
mod events;
mod page;
mod routes;
#[cfg(test)]
mod tests;
pub mod view;

pub use routes::{ApiDoc, Shared, router};
