//! What the door does to calls on their way: the real function on a real store, and an upstream that does as it is told.

// Clippy knows a test by its attribute, and helpers have none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]

mod cors;
mod credentials;
mod keys;
mod nginx;
mod odd;
mod refused;
mod scene;
mod timings;

use http::StatusCode;
use scene::{Deed, Scene, answer, settings};

/// What one call gave: its status, and the problem's type if it is one.
fn outcome(answer: &house::Answer) -> (u16, String) {
    let kind = answer.body["type"].as_str().unwrap_or_default();
    (answer.status, kind.trim_start_matches("urn:doorway:problem:").to_owned())
}

fn is(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_not_counted() {
    let scene = Scene::new().await;
    // No text, so that API Gateway sends it as base64.
    let fits = vec![0xff; 4_400_000];
    assert_eq!(scene.call_with("POST /things/1", &[], Some(&fits)).await.status, 200);
    assert!(scene.upstream.got()[0].contains("content-length: 4400000"));
    assert_eq!(scene.counted().await, (1, 0));
    let over = vec![0xff; 4_400_001];
    let refused = scene.call_with("POST /things/1", &[], Some(&over)).await;
    assert_eq!(outcome(&refused), is(413, "too-large"));
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (0, (1, 0)));
}

/// The house refuses an answer that is over Lambda's 6 MB.
#[tokio::test]
async fn the_largest_answers_fit_behind_lambdas_limit_and_larger_ones_are_given_back() {
    let scene = Scene::new().await;
    let most = 4_400_000;
    // The worst that JSON can make of headers, and of a text.
    let name = |n: usize| format!("x-{n:02}");
    let long: Vec<String> = (0..15).map(|n| format!("{}: {}", name(n), "\"".repeat(4_000))).collect();
    let headers = format!("content-type: text/plain\r\n{}", long.join("\r\n"));
    for body in [vec![0xff; most], vec![b'"'; most], vec![1; 1_000_000], vec![1; 1_000_001]] {
        scene.upstream.will([answer("200 OK", &headers, &body)]);
        let got = scene.call("GET /things/1").await;
        assert_eq!((got.status, got.bytes.len()), (200, body.len()));
        assert_eq!(got.headers["x-00"].len(), 4_000);
    }
    assert_eq!(scene.counted().await, (4, 0));
    let over: Vec<String> = (0..17).map(|n| format!("{}: {}", name(n), "\"".repeat(4_000))).collect();
    for deed in [answer("200 OK", "x-a: 1", &vec![0xff; most + 1]), answer("200 OK", &over.join("\r\n"), b"")] {
        scene.upstream.will([deed]);
        let refused = scene.call("GET /things/1").await;
        assert_eq!(outcome(&refused), is(502, "upstream-failed"));
        assert!(refused.body["detail"].as_str().unwrap().contains("4.4 MB"), "{refused:?}");
    }
    assert_eq!(scene.counted().await, (6, 2));
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_not_followed() {
    let scene = Scene::new().await;
    for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let location = format!("http://{}/things/2", scene.upstream.address);
        scene.upstream.will([answer(&status.to_string(), &format!("location: {location}"), b"")]);
        let got = scene.call("GET /things/1").await;
        assert_eq!((got.status, &got.headers["location"]), (status.as_u16(), &location));
        assert_eq!(scene.upstream.got().len(), 1);
    }
}

#[tokio::test]
async fn what_reaches_the_upstream_is_what_was_meant_for_it() {
    let scene = Scene::new().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let cookie = format!("session={}", scene.key);
    let headers = [
        ("traceparent", trace),
        ("x-forwarded-for", "10.0.0.1"),
        ("cookie", cookie.as_str()),
        ("x-request-id", "mine"),
    ];
    let line = format!("GET /things/1?a=1&key={}&b=2", scene.key);
    let got = scene.call_with(&line, &headers, None).await;
    assert_eq!((got.status, got.headers["x-request-id"].as_str()), (200, "request"));
    let head = &scene.upstream.got()[0];
    assert!(head.starts_with("GET /things/1?a=1&b=2 HTTP/1.1\r\n"), "{head}");
    for line in [format!("traceparent: {trace}"), "x-forwarded-for: 127.0.0.1".into(), "x-request-id: request".into()] {
        assert!(head.lines().any(|own| *own == *line), "{line} in {head}");
    }
    assert!(!head.contains(&scene.key) && !head.contains("10.0.0.1") && !head.contains("mine"), "{head}");
}

#[tokio::test]
async fn only_calls_that_may_come_twice_are_tried_again_and_admitted_once() {
    let scene = Scene::new().await;
    for (line, deed, expected, requests) in [
        ("GET /things/1", Deed::Drop, is(200, ""), 2),
        ("POST /things/1", Deed::Drop, is(502, "upstream-failed"), 1),
        ("PUT /things/1", answer("503 Service Unavailable", "x-a: 1", b""), is(200, ""), 2),
        ("DELETE /things/1", answer("502 Bad Gateway", "x-a: 1", b""), is(200, ""), 2),
        ("GET /things/1", answer("504 Gateway Timeout", "x-a: 1", b""), is(200, ""), 2),
        ("POST /things/1", answer("503 Service Unavailable", "x-a: 1", b""), is(503, ""), 1),
        ("GET /things/1", answer("503 Service Unavailable", "retry-after: 7", b""), is(503, ""), 1),
        ("GET /things/1", answer("500 Internal Server Error", "x-a: 1", b""), is(500, ""), 1),
        // The answer had begun.
        (
            "GET /things/1",
            Deed::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
            is(502, "upstream-failed"),
            1,
        ),
    ] {
        // Calls that earn a retry.
        for _ in 0..10 {
            assert_eq!(scene.call("POST /things/1").await.status, 200);
        }
        scene.upstream.got();
        let (admitted, refunded) = scene.counted().await;
        scene.upstream.will([deed]);
        let got = scene.call(line).await;
        assert_eq!(outcome(&got), expected, "{line}");
        let heads = scene.upstream.got();
        assert_eq!(heads.len(), requests, "{line}");
        assert!(heads.iter().all(|head| *head == heads[0]), "the same request, with the same id: {heads:?}");
        assert_eq!(scene.counted().await, (admitted + 1, refunded + u64::from(expected.0 >= 500)), "{line}");
    }
}

#[tokio::test]
async fn an_upstream_that_always_breaks_off_is_not_called_twice_as_often() {
    let scene = Scene::new().await;
    scene.upstream.will((0..10).map(|_| Deed::Drop));
    for _ in 0..4 {
        assert_eq!(outcome(&scene.call("GET /things/1").await), is(502, "upstream-failed"));
    }
    assert_eq!(scene.upstream.got().len(), 5, "the one retry that a sandbox begins with");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_left_alone_and_nothing_is_counted() {
    let mut scene = Scene::new().await;
    scene.upstream.will((0..6).map(|_| Deed::Drop));
    for _ in 0..5 {
        assert_eq!(outcome(&scene.call("POST /things/1").await), is(502, "upstream-failed"));
    }
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (5, (5, 5)));
    for line in ["POST /things/1", "GET /things/1"] {
        let refused = scene.call(line).await;
        assert_eq!(outcome(&refused), is(503, "upstream-unavailable"));
        let seconds: u32 = refused.headers["retry-after"].parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (0, (5, 5)));
    // After the longest pause one call may try; it fails, and the way is closed again.
    scene.house.now_ms += 120_000;
    assert_eq!(outcome(&scene.call("POST /things/1").await), is(502, "upstream-failed"));
    assert_eq!(outcome(&scene.call("POST /things/1").await), is(503, "upstream-unavailable"));
    scene.house.now_ms += 120_000;
    for _ in 0..3 {
        assert_eq!(scene.call("POST /things/1").await.status, 200);
    }
    assert_eq!((scene.upstream.got().len(), scene.counted().await), (4, (9, 6)));
}

#[tokio::test]
async fn metadata_is_out_of_reach_even_where_every_range_is_allowed() {
    let mut scene = Scene::new().await;
    assert!(!settings().private_ranges.is_empty());
    for host in ["169.254.169.254", "[fd00:ec2::254]", "169.254.170.2", "100.100.100.200", "[::ffff:169.254.169.254]"] {
        scene.forward_to(&format!("http://{host}/latest"), "private").await;
        scene.house.now_ms += 10_000;
        assert_eq!(outcome(&scene.call("GET /things/1").await), is(502, "upstream-forbidden"), "{host}");
    }
    assert_eq!(scene.counted().await, (5, 5));
}
