//! A real browser: Chromium, driven through its WebDriver.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use sidecar::http_client::HttpError;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::{http, port};

/// How long the driver may take to answer on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// What can go wrong with the driver.
#[derive(Debug, Error)]
pub enum ChromeDriverError {
    /// It cannot be started.
    #[error("chromedriver cannot be started; `e2e/chromium.sh` installs it")]
    Start(#[source] io::Error),
    /// No client could be made to ask it.
    #[error("chromedriver cannot be asked")]
    Client(#[from] HttpError),
    /// It does not answer.
    #[error("chromedriver did not answer in {READY_WITHIN:?}; the end of its log:\n{log}")]
    NotReady {
        /// Its last lines.
        log: String,
    },
}

/// A chromedriver that runs. Dropping it kills it, and with it every browser that it has started.
#[derive(Debug)]
pub struct ChromeDriver {
    // Declared, and so dropped, in this order: the process before what it writes to.
    child: Child,
    folder: TempDir,
    url: String,
}

impl ChromeDriver {
    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// [`ChromeDriverError`].
    pub async fn start() -> Result<Self, ChromeDriverError> {
        let folder = TempDir::with_prefix("chromedriver").map_err(ChromeDriverError::Start)?;
        let port = port::free().map_err(ChromeDriverError::Start)?;
        let line = ["chromedriver".to_owned(), format!("--port={port}")];
        let child = Child::spawn(&line, &folder.path().join("log")).map_err(ChromeDriverError::Start)?;
        let driver = Self {
            child,
            folder,
            url: format!("http://127.0.0.1:{port}"),
        };
        driver.ready().await?;
        Ok(driver)
    }

    async fn ready(&self) -> Result<(), ChromeDriverError> {
        let http = http::client()?;
        let start = Instant::now();
        loop {
            let answer = http.get(format!("{}/status", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if self.child.exit_status().is_some() || start.elapsed() > READY_WITHIN {
                let log = self.child.log_tail();
                return Err(ChromeDriverError::NotReady { log });
            }
            sleep(POLL).await;
        }
    }

    /// Where it is asked.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a session with a browser of its own asks for: without a window, and with all that pages write to the console.
    pub fn capabilities(&self) -> serde_json::Map<String, Value> {
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--hide-scrollbars".to_owned(),
            // Software draws as the same on every machine.
            "--disable-gpu".to_owned(),
            // The browser ends with the driver.
            "--remote-debugging-pipe".to_owned(),
            format!("--user-data-dir={}", self.folder.path().join("profile").display()),
        ];
        // Its sandbox does not work for root.
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        match capabilities {
            Value::Object(capabilities) => capabilities,
            _ => serde_json::Map::new(),
        }
    }
}
