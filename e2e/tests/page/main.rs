//! The balancer's page in a real Chromium: every state of a balancer that says what a test wants, and a real balancer beside
//! a real Kafka. Pictures go to `target/e2e/screenshots`, figures to `target/e2e/dashboards.json`.

mod browser;
mod care;
mod real;
mod states;
mod synthetic;
