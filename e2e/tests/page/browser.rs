//! One browser with one page, and what a person sees of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::ChromeDriver;
use e2e::scene::Outcome;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// How large the page is, in CSS pixels, and whether the person prefers dark pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const DESK: Look = Look {
    width: 1280,
    height: 860,
    dark: false,
};
pub(crate) const NIGHT: Look = Look { dark: true, ..DESK };
pub(crate) const PHONE: Look = Look {
    width: 360,
    height: 740,
    dark: false,
};

pub(crate) struct Browser {
    client: Client,
    _driver: ChromeDriver,
}

/// A request that the WebDriver standard does not have, but Chromium's driver does.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// A browser that shows the page of the balancer at `url`.
    pub(crate) async fn open(url: &str, look: Look) -> Outcome<Self> {
        let driver = ChromeDriver::start().await?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(driver.capabilities())
            .connect(driver.url())
            .await?;
        let browser = Self {
            client,
            _driver: driver,
        };
        browser.look(look).await?;
        browser.client.goto(&format!("{url}/")).await?;
        Ok(browser)
    }

    pub(crate) async fn look(&self, look: Look) -> Outcome {
        let Look { width, height, dark } = look;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", media).await?;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, CmdError> {
        let body = json!({"cmd": command, "params": parameters});
        let path = "goog/cdp/execute";
        self.client.issue_cmd(Extension { path, body }).await
    }

    /// What the page's own code would see.
    pub(crate) async fn evaluate(&self, script: &str) -> Outcome<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    async fn find(&self, selector: &str) -> Result<Element, CmdError> {
        self.client.find(Locator::Css(selector)).await
    }

    /// The text that can be seen of the first of these elements.
    pub(crate) async fn text(&self, selector: &str) -> Outcome<String> {
        Ok(self.find(selector).await?.text().await?)
    }

    /// Waits until the text of an element has these words.
    pub(crate) async fn says(&self, selector: &str, words: &str) -> Outcome<String> {
        let mut last = String::new();
        self.until(&format!("{selector} says {words:?}"), async |browser| {
            last = browser.text(selector).await?;
            Ok(last.contains(words))
        })
        .await
        .map_err(|error| format!("{error}; it says {last:?}"))?;
        Ok(last)
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        mut is_so: impl AsyncFnMut(&Self) -> Outcome<bool>,
    ) -> Outcome {
        let deadline = Instant::now() + WITHIN;
        let why = loop {
            match is_so(self).await {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() > deadline => break String::new(),
                Err(error) if Instant::now() > deadline => break error.to_string(),
                _ => sleep(POLL).await,
            }
        };
        self.picture("failed").await?;
        Err(format!("in {WITHIN:?} it did not come true that {what} {why}").into())
    }

    pub(crate) async fn is_shown(&self, selector: &str) -> Outcome<bool> {
        Ok(self.find(selector).await?.is_displayed().await?)
    }

    pub(crate) async fn click(&self, selector: &str) -> Outcome {
        Ok(self.find(selector).await?.click().await?)
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn keys(&self, keys: &str) -> Outcome {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    pub(crate) async fn press(&self, key: Key) -> Outcome {
        self.keys(&char::from(key).to_string()).await
    }

    /// The id of the element that has the focus.
    pub(crate) async fn focus(&self) -> Outcome<String> {
        let id = self.client.active_element().await?.attr("id").await?;
        Ok(id.unwrap_or_default())
    }

    /// Goes on with the tab key to an element.
    pub(crate) async fn tab_to(&self, id: &str) -> Outcome {
        for _ in 0..100 {
            if self.focus().await? == id {
                return Ok(());
            }
            self.press(Key::Tab).await?;
        }
        Err(format!("the tab key does not reach {id}").into())
    }

    /// What the page has written to the console since it was asked last: errors, and what its policy forbade.
    pub(crate) async fn console(&self) -> Outcome<Vec<String>> {
        let body = json!({"type": "browser"});
        let entries = self.client.issue_cmd(Extension { path: "se/log", body }).await?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries.iter().map(ToString::to_string).collect())
    }

    /// How many CSS pixels the page is wider than what can be seen of it.
    pub(crate) async fn overflow(&self) -> Outcome<i64> {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        Ok(self.evaluate(script).await?.as_i64().unwrap_or(i64::MAX))
    }

    /// Everything that can have the focus, and every picture, progress and table, as a screen reader has them: role and name.
    pub(crate) async fn controls(&self) -> Outcome<Vec<(String, String)>> {
        let tree = self.devtools("Accessibility.getFullAXTree", json!({})).await?;
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let is_focusable = |node: &Value| {
            let properties = node["properties"].as_array();
            properties.is_some_and(|all| {
                all.iter()
                    .any(|one| one["name"] == "focusable" && one["value"]["value"] == true)
            })
        };
        let value = |node: &Value, part: &str| node[part]["value"].as_str().unwrap_or_default().to_owned();
        let is_told = |node: &&Value| {
            let role = value(node, "role");
            let named =
                ["image", "img", "progressIndicator", "progressbar", "table"].contains(&role.as_str());
            node["ignored"] != true && (named || is_focusable(node))
        };
        let told = nodes.iter().filter(is_told);
        Ok(told
            .map(|node| (value(node, "role"), value(node, "name")))
            .collect())
    }

    /// Keeps a picture of what can be seen, in `target/e2e/screenshots`.
    pub(crate) async fn picture(&self, name: &str) -> Outcome {
        let folder = figures_folder().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(
            folder.join(format!("{name}.png")),
            self.client.screenshot().await?,
        )?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Outcome {
        Ok(self.client.close().await?)
    }
}

/// Where tests leave figures.
pub(crate) fn figures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e")
}
