//! The files of the page.

use super::{api, http};

#[tokio::test]
async fn the_page_comes_with_a_policy_that_allows_nothing_from_elsewhere() {
    let api = api().await;
    let ask = async |path: &str| http().get(format!("{}{path}", api.url)).send().await.unwrap();
    let page = ask("/").await;
    assert_eq!(page.status(), 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri \
             'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(page.headers()[name], value);
    }
    let html = page.text().await.unwrap();
    for part in html.split(['"']).filter(|part| part.starts_with("page/")) {
        let file = ask(&format!("/{part}")).await;
        assert_eq!(file.status(), 200, "{part}");
        let kind = match part.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(file.headers()["content-type"], kind, "{part}");
        assert!(file.headers().contains_key("content-security-policy"), "{part}");
    }
    assert_eq!(ask("/page/nothing.js").await.status(), 404);
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let api = api().await;
    let url = format!("{}/page/page.js", api.url);
    let first = http().get(&url).send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = http()
        .get(&url)
        .header("if-none-match", &tag)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (again.status().as_u16(), again.headers()["etag"].clone()),
        (304, tag)
    );
    assert!(again.bytes().await.unwrap().is_empty());
    let other = http()
        .get(&url)
        .header("if-none-match", "W/\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 200);
}
