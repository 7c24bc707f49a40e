//! `kafka-balancer status --watch`, the program, beside an API that comes and goes.

// The lint's exception for tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use balancer::api::view::View;
use balancer::api::{Shared, router};
use metrics_exporter_prometheus::PrometheusBuilder;
use sidecar::server::{Limits, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// An API that shows a cluster of this name.
struct Api {
    address: SocketAddr,
    runtime: Runtime,
    stop: CancellationToken,
}

impl Api {
    fn start(port: u16, cluster: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let stop = CancellationToken::new();
        let mut view = View::default();
        view.state.cluster_id = cluster.to_owned();
        let (_, view) = watch::channel(Arc::new(view));
        let (commands, _) = mpsc::channel(1);
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let shared = Shared::new(view, commands, None, metrics);
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            grace: Duration::from_millis(100),
            ..Limits::default()
        };
        runtime.spawn(serve(listener, router(shared), None, limits, stop.clone()));
        Self {
            address,
            runtime,
            stop,
        }
    }

    fn end(self) {
        self.stop.cancel();
        self.runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

/// A program that runs until the test is over.
struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// What it says up to a line with these words.
    fn until(&mut self, words: &str) -> String {
        let mut said = String::new();
        while !said.lines().last().is_some_and(|line| line.contains(words)) {
            let read = self.output.read_line(&mut said).unwrap();
            assert!(read > 0, "it has ended after: {said}");
        }
        said
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_kafka-balancer");

#[test]
fn where_the_output_is_no_terminal_each_look_is_plain_text_and_the_absence_of_the_balancer_is_told_and_outlived()
 {
    let api = Api::start(0, "first-life");
    let (address, url) = (api.address, format!("http://{}", api.address));
    let mut watching =
        Running::start(Command::new(PROGRAM).args(["status", "--watch", "--every", "1", "--url", &url]));
    let mut said = watching.until("cluster first-life");
    said += &watching.until("cluster first-life");
    api.end();
    said += &watching.until("NO ANSWER since");
    let api = Api::start(address.port(), "second-life");
    said += &watching.until("cluster second-life");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(said.contains("no balancer answers at"), "{said}");

    let pid = watching.child.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(watching.child.wait().unwrap().success());
    api.end();
}

#[test]
fn on_a_terminal_it_is_shown_in_place_and_ctrl_c_leaves_the_terminal_as_it_was() {
    let api = Api::start(0, "on-a-terminal");
    let command = format!(
        "exec {PROGRAM} status --watch --every 1 --url http://{}",
        api.address
    );
    let mut watching = Running::start(
        Command::new("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &command,
                "/dev/null",
            ])
            .env("TERM", "xterm"),
    );
    let shown = watching.until("cluster on-a-terminal");
    let (enter, leave) = ("\u{1b}[?1049h", "\u{1b}[?1049l");
    assert!(shown.contains(enter), "{shown:?}");
    assert!(shown.contains("\u{1b}[1;1H"), "{shown:?}");
    watching.input.write_all(b"\x03").unwrap();
    let mut rest = String::new();
    watching.output.read_to_string(&mut rest).unwrap();
    for code in ["\u{1b}[?7h", "\u{1b}[?25h", leave] {
        assert!(rest.contains(code), "{code:?} is not in {rest:?}");
    }
    assert!(watching.child.wait().unwrap().success());
    api.end();
}
