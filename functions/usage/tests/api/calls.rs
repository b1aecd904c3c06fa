//! Which APIs are called, and by which service: each side of a subscription sees what is its to know.

use serde_json::{Value, json};

use crate::{CONSUMER, PROVIDER, STRANGER, SUBSCRIPTION, get, new, sample, taken};

const PATH: &str = "/v1/usage/calls";

/// The sample's app, told in another revision.
fn told_again(revision: u64, service: Value) -> Value {
    let mut event = sample("queue-names");
    let mut body: Value = serde_json::from_str(event["Records"][4]["body"].as_str().unwrap()).unwrap();
    let mut data: Value = serde_json::from_str(body["detail"]["data"].as_str().unwrap()).unwrap();
    data["revision"] = json!(revision);
    data["service"] = service;
    body["detail"]["revision"] = json!(revision.to_string());
    body["detail"]["data"] = json!(data.to_string());
    event["Records"][4]["body"] = json!(body.to_string());
    event["Records"] = json!([event["Records"][4]]);
    event
}

fn item(service: Option<&str>) -> Value {
    let mut item = json!({
        "subscription": SUBSCRIPTION, "organization": "beta", "provider": "acme", "app": "app_01h455vb4pex5vsknk084sn02a", "app_name": "Beta's app",
        "apis": [{"number": 1, "api": "api_01h455vb4pex5vsknk084sn02w", "slug": "weather", "calls": 5, "last_seen": "2026-01-09T11:00:00.000Z"}],
        "complete_to": "2026-01-09T11:00:00.000Z"
    });
    if let Some(service) = service {
        item["service"] = json!(service);
    }
    item
}

#[tokio::test]
async fn each_side_sees_the_calls_and_only_the_consumer_which_service_its_app_is() {
    let (names, numbers) = (sample("queue-names"), sample("stream-grant"));
    for order in [[&names, &numbers], [&numbers, &names]] {
        let house = new().await;
        for event in order.into_iter().chain(order) {
            assert_eq!(house.send(event).await, taken());
        }
        let (status, consumer) = get(&house, CONSUMER, PATH, "").await;
        assert_eq!((status, &consumer["items"]), (200, &json!([item(Some("trip-planner"))])), "{consumer}");
        assert_eq!(get(&house, PROVIDER, PATH, "window=30d").await.1["items"], json!([item(None)]));
        assert_eq!(get(&house, STRANGER, PATH, "").await, (200, json!({"items": []})));
    }
}

#[tokio::test]
async fn the_newest_word_about_an_app_counts() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    house.send(&sample("stream-grant")).await;
    assert_eq!(house.send(&told_again(1, json!("old"))).await, taken());
    assert_eq!(get(&house, CONSUMER, PATH, "").await.1["items"][0]["service"], "trip-planner");
    assert_eq!(house.send(&told_again(3, Value::Null)).await, taken());
    assert_eq!(get(&house, CONSUMER, PATH, "").await.1["items"], json!([item(None)]));
}

#[tokio::test]
async fn only_the_window_counts_and_a_subscription_without_calls_is_listed_without_them() {
    let mut house = new().await;
    house.send(&sample("queue-names")).await;
    house.send(&sample("stream-grant")).await;
    let apis = |answer: (u16, Value)| answer.1["items"][0]["apis"].clone();
    // Now is 12:00: an hour back there is one call.
    assert_eq!(apis(get(&house, CONSUMER, PATH, "window=1h").await)[0]["calls"], 1);
    house.now_ms += 90 * 24 * 3_600_000;
    assert_eq!(apis(get(&house, CONSUMER, PATH, "window=30d").await), json!([]));
    for (bad, pointer) in [
        ("window=1w", "/query/window"),
        ("window=91d", "/query/window"),
        ("page_size=0", "/query/page_size"),
        ("page_token=x", "/query/page_token"),
        ("side=both", "/query/side"),
    ] {
        let (status, problem) = get(&house, CONSUMER, PATH, bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
    let anyone = house.get(house::Who::Anyone, PATH).await;
    assert_eq!(anyone.kind(), (401, "unauthenticated"));
}
