//! Every form of an answer, by `Accept`.

use crate::{PATH, Scene, VIEWER, question};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_says_what_it_is() {
    let scene = Scene::new().await;
    let body = question("warn", "warn").to_string();
    let ask = async |query: &str, accept: &str| {
        scene.house.call(VIEWER, &format!("POST {PATH}{query}"), &[("accept", accept)], body.as_bytes()).await
    };
    for (accept, content_type, begin) in [
        ("*/*", "application/json", "{\"verdict\":\"identical\",\"findings\":[],"),
        ("text/plain", "text/plain; charset=utf-8", "identical: 0 breaking"),
        ("text/markdown", "text/markdown; charset=utf-8", "## API changes: identical\n"),
        (
            "application/sarif+json",
            "application/sarif+json",
            "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\"",
        ),
        ("application/junit+xml", "application/junit+xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"),
        ("application/xml", "application/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"),
        ("text/vnd.github.annotations", "text/vnd.github.annotations; charset=utf-8", "identical: 0 breaking"),
    ] {
        let answer = ask("", accept).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, content_type));
        assert_eq!(answer.headers["vary"], "accept, accept-encoding");
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(text.starts_with(begin), "{accept}: {text}");
        assert!(!text.contains('\u{1b}'), "{accept}");
    }
    let colored = ask("?color=true", "text/plain").await;
    assert!(colored.bytes.starts_with(b"\x1b[1;32midentical\x1b[0m: "), "{colored:?}");
    let refused = ask("", "image/png").await;
    assert_eq!(refused.problem(), (406, "not-acceptable", "/header/accept"));
    assert!(refused.text("/detail").contains("`application/sarif+json`"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_some_size_comes_packed_to_who_takes_that() {
    let scene = Scene::new().await;
    let headers = [("accept", "text/plain"), ("accept-encoding", "gzip")];
    let long = "warn".to_owned() + &"x".repeat(10);
    let body = question(&long, &long).to_string();
    let answer = scene.house.call(VIEWER, &format!("POST {PATH}"), &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200);
    // Below a kilobyte it is not worth it.
    assert_eq!(answer.headers.get("content-encoding"), None);
    let rule = scene.house.call(VIEWER, "GET /v1/contracts/rules", &[], None).await;
    assert!(rule.bytes.len() > 1_024);
}
