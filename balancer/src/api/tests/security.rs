//! What strangers and pages of other sites get.

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::action::ActionError;
use crate::client::{Server, Token};

impl Api {
    /// Asks with these headers, and for actions with the token.
    async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = match path {
            "/v1/state" | "/metrics" | "/livez" => http().get(format!("{}{path}", self.url)),
            _ => http().post(format!("{}{path}", self.url)).bearer_auth(TOKEN),
        };
        let named = |&(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        };
        let headers: HeaderMap = headers.iter().map(named).collect();
        request.headers(headers).send().await.unwrap()
    }

    fn host(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    fn is_undisturbed(&mut self) -> bool {
        self.actions.try_recv().is_err()
    }
}

async fn words(answer: Response) -> String {
    let body: Value = answer.json().await.unwrap();
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_of_another_site_cannot_act_even_with_the_token() {
    let mut api = api().await;
    let other_port = format!("http://{}1", api.host());
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", &other_port),
    ] {
        let answer = api.ask("/v1/pause", &[(name, value)]).await;
        assert_eq!(answer.status(), 403, "{name}: {value}");
        let words = words(answer).await;
        assert!(words.contains("a page of another site"), "{words}");
    }
    assert!(api.is_undisturbed());

    let own = format!("http://{}", api.host());
    let answered = async {
        let command = api.actions.recv().await.unwrap();
        command.answer.send(Ok("Paused.".to_owned())).unwrap();
    };
    let headers = [("sec-fetch-site", "same-origin"), ("origin", own.as_str())];
    let asked = http()
        .post(format!("{}/v1/pause", api.url))
        .bearer_auth(TOKEN)
        .header(headers[0].0, headers[0].1)
        .header(headers[1].0, headers[1].1)
        .send();
    let (asked, ()) = tokio::join!(asked, answered);
    assert_eq!(asked.unwrap().status(), 200);
}

#[tokio::test]
async fn a_site_whose_name_leads_to_this_machine_reads_nothing() {
    let mut api = api().await;
    let port = api.host().rsplit_once(':').unwrap().1.to_owned();
    for (host, status) in [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1", 200),
        ("LOCALHOST", 200),
        ("kafka.localhost", 200),
        ("[::1]", 200),
    ] {
        for path in ["/v1/state", "/metrics", "/livez"] {
            let answer = api.ask(path, &[("host", &format!("{host}:{port}"))]).await;
            assert_eq!(answer.status(), status, "{path} of {host}");
        }
    }
    let answer = api.ask("/v1/pause", &[("host", "evil.example")]).await;
    assert_eq!(answer.status(), 421);
    assert!(words(answer).await.contains("add the name to `hosts`"));
    assert!(api.is_undisturbed());
}

#[tokio::test]
async fn no_answer_may_be_read_by_another_site_kept_or_taken_for_something_else() {
    let api = api().await;
    let origin = ("origin", "https://evil.example");
    let preflight = http()
        .request(Method::OPTIONS, format!("{}/v1/pause", api.url))
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    for answer in [
        api.ask("/v1/state", &[origin]).await,
        api.ask("/metrics", &[origin]).await,
        api.ask("/v1/pause", &[origin]).await,
        api.ask("/v1/nothing", &[]).await,
        preflight.send().await.unwrap(),
    ] {
        let (url, headers) = (answer.url(), answer.headers());
        let allows = headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control"));
        assert!(!allows, "{url}: {headers:?}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{url}");
        assert_eq!(headers["cache-control"], "no-store", "{url}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{url}");
        assert!(headers.contains_key("content-security-policy"), "{url}");
    }
}

#[tokio::test]
async fn a_body_is_json_and_says_so() {
    let mut api = api().await;
    for said in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let request = http()
            .post(format!("{}/v1/mode", api.url))
            .bearer_auth(TOKEN)
            .body(r#"{"mode": "auto"}"#);
        let request = match said {
            Some(said) => request.header("content-type", said),
            None => request,
        };
        assert_eq!(request.send().await.unwrap().status(), 415, "{said:?}");
    }
    assert!(api.is_undisturbed());
}

#[tokio::test]
async fn many_wrong_tokens_are_told_to_wait_and_do_not_keep_the_right_one_out() {
    let mut api = api().await;
    let wrong = async || {
        let request = http().post(format!("{}/v1/pause", api.url));
        request.bearer_auth("wr0ng").send().await.unwrap()
    };
    for _ in 0..10 {
        let answer = wrong().await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    }
    let answer = wrong().await;
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(api.is_undisturbed());

    let url = api.url.clone();
    let answered = async {
        let command = api.actions.recv().await.unwrap();
        command.answer.send(Ok("Paused.".to_owned())).unwrap();
    };
    let (asked, ()) = tokio::join!(post(&url, "/v1/pause", Some(TOKEN), ""), answered);
    assert_eq!(asked.0, 200);
}

#[tokio::test]
async fn an_action_is_refused_at_once_where_as_many_wait_as_may() {
    let api = api().await;
    let url = api.url.clone();
    let first = tokio::spawn(async move { post(&url, "/v1/pause", Some(TOKEN), "").await });
    while api.actions.is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = api.ask("/v1/resume", &[]).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "10");
    assert_eq!(words(answer).await, ActionError::Busy.to_string());
    assert!(!first.is_finished());
}

#[tokio::test]
async fn heads_and_bodies_that_are_too_large_are_refused() {
    let mut api = api().await;
    let large = http()
        .get(format!("{}/v1/state", api.url))
        .header("x-large", "x".repeat(64 * 1024));
    let larger = http()
        .post(format!("{}/v1/mode", api.url))
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .body(format!("{{\"mode\": \"{}\"}}", "x".repeat(2 * 1024 * 1024)));
    for (request, status) in [(large, 431), (larger, 413)] {
        // It may be cut off before it has sent all of it, and so miss the answer.
        if let Ok(answer) = request.send().await {
            assert_eq!(answer.status(), status);
        }
    }
    assert!(api.is_undisturbed());
}

#[tokio::test]
async fn who_says_nothing_or_not_all_is_ended_and_the_next_one_served() {
    let limits = Limits {
        connections: 1,
        head: std::time::Duration::from_millis(100),
        ..LIMITS
    };
    let api = served(None, limits).await;
    for said in ["", "GET /v1/state HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut slow = TcpStream::connect(api.host()).await.unwrap();
        slow.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(api.get("/v1/state").await.0, 200);
        let mut rest = Vec::new();
        // What it is told, or that it was cut off: it ends.
        let _ = slow.read_to_end(&mut rest).await;
    }
}

#[tokio::test]
async fn no_token_is_in_a_log_an_answer_a_metric_or_debug_output() {
    const WRONG: &str = "wr0ng-t0ken";
    let (log, _logging) = Log::start();
    let mut api = api().await;
    let server = |token: &str| {
        let token = Token::Text(token.to_owned().into());
        Server::new(&api.url, &Tls::default(), Some(token), LIMITS.grace).unwrap()
    };
    let (right, wrong) = (server(TOKEN), server(WRONG));
    let mut seen = vec![format!("{right:?} {wrong:?}")];
    for _ in 0..12 {
        let refused = wrong.drain(&[]).await.unwrap_err();
        seen.push(format!("{refused} {refused:?}"));
    }
    let answered = async {
        let command = api.actions.recv().await.unwrap();
        seen.push(format!("{command:?}"));
        command.answer.send(Ok("Done.".to_owned())).unwrap();
    };
    let (done, ()) = tokio::join!(right.drain(&[]), answered);
    seen.push(done.unwrap());
    for headers in [[("origin", "null")], [("host", "evil.example")]] {
        let answer = api.ask("/v1/pause", &headers).await;
        seen.push(format!("{answer:?}"));
        seen.push(answer.text().await.unwrap());
    }
    for path in ["/metrics", "/v1/state", "/v1/openapi.json", "/livez"] {
        let answer = http().get(format!("{}{path}", api.url)).send().await.unwrap();
        seen.push(answer.text().await.unwrap());
    }
    seen.push(format!("{:?}", api.shared));
    let logged = log.text();
    assert!(logged.contains("wrong bearer tokens were given"), "{logged}");
    seen.push(logged);
    for text in seen {
        assert!(!text.contains(TOKEN) && !text.contains(WRONG), "{text}");
    }
}
