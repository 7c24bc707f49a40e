//! `kafka-operator`: the command line around the operator.

use std::process::ExitCode;

use clap::Parser;
use operator::cli::Cli;

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

#[expect(
    clippy::print_stderr,
    reason = "the one place where the command line says why it failed"
)]
fn report(error: &dyn std::error::Error) {
    eprintln!("kafka-operator: {}", kafka::error::with_causes(error));
}
