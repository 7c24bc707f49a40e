//! `kafka-balancer`: the command line around the balancer.

use std::process::ExitCode;

use balancer::cli::Cli;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says what went wrong, with the causes that the error's own words do not repeat.
#[expect(clippy::print_stderr, reason = "the one place where the command line says why it failed")]
fn report(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let words = source.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = source.source();
    }
    eprintln!("kafka-balancer: {text}");
}
