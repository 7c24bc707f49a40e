//! One browser with one page, and what a person sees of it.

use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::ChromeDriver;
use e2e::scene::{Outcome, until};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(120);
/// How often more a browser is started that does not come up.
const STARTS: u32 = 4;

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

/// Keys that write nothing, as WebDriver has them.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) struct Browser {
    http: reqwest::Client,
    /// The session's address at the driver, which is ended with it.
    session: String,
    driver: ChromeDriver,
}

impl Browser {
    /// A browser that shows the page of the balancer at `url`.
    pub(crate) async fn open(url: &str, look: Look) -> Outcome<Self> {
        let driver = ChromeDriver::start().await?;
        let mut browser = Self {
            http: e2e::http::client()?,
            session: format!("{}/session", driver.url()),
            driver,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": browser.driver.capabilities()}});
        // The driver gives a browser a minute to start, which a busy machine may not have.
        let mut made = browser.post("", &wanted).await;
        for _ in 0..STARTS {
            if made.is_err() {
                made = browser.post("", &wanted).await;
            }
        }
        let made = made?;
        let id = made["sessionId"].as_str().ok_or("the session has no id")?;
        browser.session = format!("{}/{id}", browser.session);
        browser.look(look).await?;
        browser.post("/url", &json!({"url": format!("{url}/")})).await?;
        Ok(browser)
    }

    /// A request of the WebDriver protocol; answers its value.
    async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        let url = format!("{}{path}", self.session);
        answer(self.http.post(url).json(body)).await
    }

    async fn get(&self, path: &str) -> Outcome<Value> {
        answer(self.http.get(format!("{}{path}", self.session))).await
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

    async fn devtools(&self, command: &str, parameters: Value) -> Outcome<Value> {
        let body = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", &body).await
    }

    /// What the page's own code would see.
    pub(crate) async fn evaluate(&self, script: &str) -> Outcome<Value> {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
            .await
    }

    /// The path of an element.
    async fn find(&self, selector: &str) -> Outcome<String> {
        let found = self
            .post("/element", &json!({"using": "css selector", "value": selector}))
            .await?;
        path_of(&found)
    }

    /// The path of the element that has the focus.
    async fn focused(&self) -> Outcome<String> {
        path_of(&self.get("/element/active").await?)
    }

    /// The text that can be seen of the first of these elements.
    pub(crate) async fn text(&self, selector: &str) -> Outcome<String> {
        let text = self.get(&format!("{}/text", self.find(selector).await?)).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
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
        let Err(error) = until(WITHIN, what, async || is_so(self).await).await else {
            return Ok(());
        };
        self.picture("failed").await?;
        Err(error)
    }

    pub(crate) async fn is_shown(&self, selector: &str) -> Outcome<bool> {
        let shown = self
            .get(&format!("{}/displayed", self.find(selector).await?))
            .await?;
        Ok(shown == true)
    }

    pub(crate) async fn click(&self, selector: &str) -> Outcome {
        let element = self.find(selector).await?;
        self.post(&format!("{element}/click"), &json!({})).await?;
        Ok(())
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn keys(&self, keys: &str) -> Outcome {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|stroke| json!({"type": stroke, "value": key.to_string()}))
        });
        let strokes: Vec<Value> = strokes.collect();
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.post("/actions", &keyboard).await?;
        Ok(())
    }

    /// The id of the element that has the focus.
    pub(crate) async fn focus(&self) -> Outcome<String> {
        let id = self
            .get(&format!("{}/attribute/id", self.focused().await?))
            .await?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    /// Goes on with the tab key to an element.
    pub(crate) async fn tab_to(&self, id: &str) -> Outcome {
        for _ in 0..100 {
            if self.focus().await? == id {
                return Ok(());
            }
            self.keys(TAB).await?;
        }
        Err(format!("the tab key does not reach {id}").into())
    }

    /// What the page has written to the console since it was asked last: errors, and what its policy forbade.
    pub(crate) async fn console(&self) -> Outcome<Vec<String>> {
        let entries = self.post("/se/log", &json!({"type": "browser"})).await?;
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e/screenshots");
        std::fs::create_dir_all(&folder)?;
        let picture = self.get("/screenshot").await?;
        let picture = picture.as_str().ok_or("there is no picture")?;
        std::fs::write(
            folder.join(format!("{name}.png")),
            BASE64_STANDARD.decode(picture)?,
        )?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Outcome {
        answer(self.http.delete(&self.session)).await?;
        Ok(())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Outcome<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let mut body: Value = answer.json().await?;
    if status.is_success() {
        return Ok(body["value"].take());
    }
    Err(format!("{}: {}", body["value"]["error"], body["value"]["message"]).into())
}

fn path_of(element: &Value) -> Outcome<String> {
    let id = element[ELEMENT].as_str().ok_or("there is no such element")?;
    Ok(format!("/element/{id}"))
}
