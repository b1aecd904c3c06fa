//! Calls from pages of other origins.

use house::Answer;

use crate::scene::{Scene, answer};
use crate::{is, outcome};

const PAGE: (&str, &str) = ("origin", "https://app.example");
const ASKED: (&str, &str) = ("access-control-request-method", "POST");

/// An API that these origins may call.
async fn open(origins: &[&'static str]) -> Scene {
    let mut scene = Scene::new().await;
    scene.origins = origins.to_vec();
    let url = format!("http://{}", scene.upstream.address);
    scene.forward_to(&url, "public").await;
    scene
}

/// What the answer says of origins: whom it allows, and whether a cache must tell them apart.
fn says(answer: &Answer) -> (Option<&str>, bool) {
    let varies = answer.headers.get("vary").is_some_and(|vary| vary.split(", ").any(|name| name == "Origin"));
    (answer.headers.get("access-control-allow-origin").map(String::as_str), varies)
}

#[tokio::test]
async fn without_the_setting_nothing_is_said_and_a_preflight_is_a_call_without_a_key() {
    let mut scene = Scene::new().await;
    assert_eq!(says(&scene.call_with("GET /things/1", &[PAGE], None).await), (None, false));
    scene.key = String::new();
    let refused = scene.call_with("OPTIONS /things/1", &[PAGE, ASKED], None).await;
    assert_eq!((outcome(&refused), says(&refused)), (is(401, "key-invalid"), (None, false)));
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_door_and_costs_nothing() {
    let mut scene = Box::pin(open(&["https://app.example", "http://localhost:3000"])).await;
    // A browser sends no key with it.
    scene.key = String::new();
    let headers = ("access-control-request-headers", "authorization, content-type");
    let answer = scene.call_with("OPTIONS /things/1", &[PAGE, ASKED, headers], None).await;
    assert_eq!((answer.status, says(&answer)), (204, (Some("https://app.example"), true)));
    assert_eq!(answer.headers["access-control-allow-methods"], "DELETE, GET, POST, PUT");
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization, content-type");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));

    let other = scene.call_with("OPTIONS /things/1", &[("origin", "https://evil.example"), ASKED, headers], None).await;
    assert_eq!((other.status, says(&other)), (204, (None, true)));
    assert!(!other.headers.contains_key("access-control-allow-headers"), "{other:?}");
    let nothing = scene.call_with("OPTIONS /nothing", &[PAGE, ASKED], None).await;
    assert_eq!(outcome(&nothing), is(404, "not-found"));
    // Without these headers it is an OPTIONS like any other.
    assert_eq!(outcome(&scene.call_with("OPTIONS /things/1", &[PAGE], None).await), is(401, "key-invalid"));
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (0, (0, 0)));
}

#[tokio::test]
async fn a_page_reads_every_answer_also_a_refusal_and_the_upstream_has_no_say() {
    let mut scene = Box::pin(open(&["https://app.example"])).await;
    let upstreams = "access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nvary: accept";
    scene.upstream.will([answer("200 OK", upstreams, b"x")]);
    let got = scene.call_with("GET /things/1", &[PAGE], None).await;
    assert_eq!((got.status, says(&got)), (200, (Some("https://app.example"), true)));
    assert!(got.headers["access-control-expose-headers"].contains("RateLimit"), "{got:?}");
    assert!(got.headers["vary"].contains("accept") && !got.headers.contains_key("access-control-allow-credentials"));
    let other = scene.call_with("GET /things/1", &[("origin", "https://app.example.evil")], None).await;
    assert_eq!((other.status, says(&other)), (200, (None, true)));
    let none = scene.call("GET /things/1").await;
    assert_eq!((none.status, says(&none)), (200, (None, true)), "a cache must not give it to a page");

    scene.key = "dw_wrong".to_owned();
    for line in ["GET /things/1", "GET /nothing"] {
        let refused = scene.call_with(line, &[PAGE], None).await;
        assert_eq!((outcome(&refused), says(&refused)), (is(401, "key-invalid"), (Some("https://app.example"), true)));
    }
}

#[tokio::test]
async fn any_origin_is_any_origin() {
    let scene = Box::pin(open(&["*"])).await;
    let got = scene.call_with("GET /things/1", &[("origin", "null")], None).await;
    assert_eq!((got.status, says(&got).0), (200, Some("*")));
}
