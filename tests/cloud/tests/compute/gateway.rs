//! What a caller of the HTTP API meets.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::{Answer, futures, get, send, start};

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_becomes_the_documented_event() {
    let (cloud, _data) = start().await;
    let request = Request::post(format!("{}/public/a%20b/c?x=1&x=2", cloud.url()))
        .header("content-type", "application/json")
        .header("cookie", "c=1");
    let answer = send(request.body(Bytes::from("{}")).unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains_key("apigw-requestid"));
    let event = answer.json();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "ANY /public/{proxy+}");
    assert_eq!(event["rawPath"], "/public/a b/c");
    assert_eq!(event["pathParameters"], json!({"proxy": "a b/c"}));
    assert_eq!(event["queryStringParameters"], json!({"x": "1,2"}));
    assert_eq!(event["cookies"], json!(["c=1"]));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    assert_eq!(format!("http://{}", event["requestContext"]["domainName"].as_str().unwrap()), cloud.url());
    assert_eq!(event["requestContext"].get("authorizer"), None);

    let item = get(&cloud, "/public/items/7").await.json();
    assert_eq!((&item["routeKey"], &item["pathParameters"]), (&json!("GET /public/items/{id}"), &json!({"id": "7"})));
    assert_eq!(refusal(&get(&cloud, "/nothing").await), (404, "Not Found".to_owned()));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_after_a_jump_of_the_clock_comes_in_the_next_month() {
    let (cloud, _data) = start().await;
    let time = async || {
        let event = get(&cloud, "/public/x").await.json();
        let context = &event["requestContext"];
        (context["timeEpoch"].as_i64().unwrap(), context["time"].as_str().unwrap().to_owned())
    };
    let (before_ms, before) = time().await;
    cloud.clock().advance(Duration::from_hours(31 * 24));
    let (after_ms, after) = time().await;
    assert!(after_ms >= before_ms + 31 * 24 * 3_600_000, "{before_ms} {after_ms}");
    assert_ne!(before[3..6], after[3..6], "{before} {after}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorizer_hands_on_what_it_found() {
    let (cloud, _data) = start().await;
    let with = |who: Option<&str>| {
        let mut request = Request::get(format!("{}/private/x", cloud.url()));
        if let Some(who) = who {
            request = request.header("Authorization", who);
        }
        request.body(Bytes::new()).unwrap()
    };
    let event = send(with(Some("ada"))).await.json();
    assert_eq!(
        event["requestContext"]["authorizer"]["lambda"],
        json!({"who": "ada", "route": "ANY /private/{proxy+}"})
    );
    let event = send(with(None)).await.json();
    assert_eq!(event["requestContext"]["authorizer"]["lambda"]["who"], "nobody");
    assert_eq!(refusal(&send(with(Some("deny"))).await), (403, "Forbidden".to_owned()));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_take_every_documented_form() {
    let (cloud, _data) = start().await;
    let raw = get(&cloud, "/public/x?do=raw").await;
    assert_eq!(
        (raw.status.as_u16(), raw.json(), &raw.headers["content-type"]),
        (200, json!({"inferred": true}), &"application/json".parse().unwrap())
    );
    let text = get(&cloud, "/public/x?do=text").await;
    assert_eq!(
        (text.status.as_u16(), text.body.as_ref(), &text.headers["content-type"]),
        (404, b"nothing".as_ref(), &"text/plain;charset=UTF-8".parse().unwrap())
    );
    let binary = get(&cloud, "/public/x?do=binary").await;
    assert_eq!(binary.body.as_ref(), [0, 1, 2]);
    let cookies = get(&cloud, "/public/x?do=cookies").await;
    assert_eq!(cookies.headers.get_all("set-cookie").iter().count(), 2);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_refused_as_the_gateway_does() {
    let (cloud, _data) = start().await;
    assert_eq!(refusal(&get(&cloud, "/public/x?do=wrong").await), (500, "Internal Server Error".to_owned()));
    assert_eq!(refusal(&get(&cloud, "/public/x?do=error").await), (500, "Internal Server Error".to_owned()));
    assert_eq!(refusal(&get(&cloud, "/public/x?do=crash").await), (503, "Service Unavailable".to_owned()));
    assert_eq!(refusal(&get(&cloud, "/broken").await), (503, "Service Unavailable".to_owned()));
    assert_eq!(refusal(&get(&cloud, "/public/x?do=big&n=6291556").await), (500, "Internal Server Error".to_owned()));
    assert_eq!(get(&cloud, "/public/x").await.status, 200, "a crash is followed by a new process");

    let started = Instant::now();
    assert_eq!(refusal(&get(&cloud, "/quick?do=sleep&n=20000").await), (503, "Service Unavailable".to_owned()));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(get(&cloud, "/quick").await.status, 200, "the process that ran out of time is replaced");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_limited() {
    let (cloud, _data) = start().await;
    let post = |bytes: usize| {
        Request::post(format!("{}/public/x?do=raw", cloud.url())).body(Bytes::from(vec![b'x'; bytes])).unwrap()
    };
    assert_eq!(refusal(&send(post(10 * 1024 * 1024 + 1)).await), (413, "Request Entity Too Large".to_owned()));
    assert_eq!(
        refusal(&send(post(5 * 1024 * 1024)).await),
        (413, "Request Entity Too Large".to_owned()),
        "base64 makes it larger than Lambda's 6 MB"
    );
    assert_eq!(send(post(4 * 1024 * 1024)).await.status, 200);
    let long = Request::get(format!("{}/public/x?do=raw", cloud.url()))
        .header("x-long", "x".repeat(10_240))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(send(long).await.status, 431);
    cloud.stop().await;
}

/// A burst waits for processes instead of being refused.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_requests_at_once_are_all_answered() {
    let (cloud, _data) = start().await;
    let answers = futures((0..500).map(|_| get(&cloud, "/public/x?do=raw"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(cloud.processes("Echo").len(), 4);
    cloud.stop().await;
}
