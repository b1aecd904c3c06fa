//! The real function on a real store: what comes in, and what is told.

// Clippy knows a test by its attribute, and helpers have none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod calls;
mod many;
mod month;
mod operations;

use house::{House, Who};
use serde_json::{Value, json};
use usage::App;

const CONSUMER: &str = "org_01h455vb4pex5vsknk084sn02c";
const PROVIDER: &str = "org_01h455vb4pex5vsknk084sn02p";
const STRANGER: &str = "org_01h455vb4pex5vsknk084sn02s";
const SUBSCRIPTION: &str = "sub_01h455vb4pex5vsknk084sn02q";

async fn new() -> House<App> {
    let mut house = House::new(App::new).await;
    house.now_ms = 1_767_960_000_000;
    house
}

async fn get(house: &House<App>, organization: &str, path: &str, query: &str) -> (u16, Value) {
    let principal = json!({"organization": {"id": organization, "slug": "acme"}, "actor": "token_x", "role": "viewer"});
    let found = json!({"state": "principal", "principal": principal.to_string()});
    let answer = house.get(Who::Found(&found), &format!("{path}?{query}")).await;
    (answer.status, answer.body)
}

fn sample(name: &str) -> Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn taken() -> Value {
    json!({"batchItemFailures": []})
}

/// The sample events tell one story: two hours of calls with one key, one of them refunded, two refused.
async fn told(house: &House<App>) {
    let (status, usage) = get(house, CONSUMER, "/v1/usage", &format!("subscription={SUBSCRIPTION}")).await;
    assert_eq!(status, 200, "{usage}");
    assert_eq!(
        usage,
        json!({
            "subscription": SUBSCRIPTION, "from": "2026-01-01T00:00:00.000Z", "to": "2026-02-01T00:00:00.000Z",
            "admitted": 5, "rejected": 2, "failed": 1, "units": 6,
            "by_operation": [
                {"operation": "getForecast", "api": "weather", "version": 1, "admitted": 4, "failed": 1},
                {"operation": "listStations", "api": "weather", "version": 1, "admitted": 1, "failed": 0}
            ],
            "by_key": [{"key": "key_01h455vb4pex5vsknk084sn02k", "name": "production", "number": 1, "admitted": 5, "failed": 1, "last_seen": "2026-01-09T11:00:00.000Z"}],
            "by_hour": [
                {"hour": "2026-01-09T10:00:00.000Z", "admitted": 4, "rejected": 2, "failed": 1, "units": 5},
                {"hour": "2026-01-09T11:00:00.000Z", "admitted": 1, "rejected": 0, "failed": 0, "units": 1}
            ],
            "by_terms": [{"revision": 1, "units": 6}],
            "complete_to": "2026-01-09T11:00:00.000Z"
        })
    );
    let (status, callers) =
        get(house, PROVIDER, "/v1/usage/callers", "api=weather&operation=getForecast&window=1d").await;
    assert_eq!(status, 200, "{callers}");
    assert_eq!(
        callers["callers"],
        json!([{"organization": "beta", "app": "app_01h455vb4pex5vsknk084sn02a", "app_name": "Beta's app", "subscription": SUBSCRIPTION,
            "key": "key_01h455vb4pex5vsknk084sn02k", "key_name": "production", "calls": 4, "last_seen": "2026-01-09T11:00:00.000Z"}])
    );
    assert_eq!(callers["complete_to"], "2026-01-09T11:00:00.000Z");
}

#[tokio::test]
async fn names_before_numbers_and_numbers_before_names_are_told_alike() {
    let (names, numbers) = (sample("queue-names"), sample("stream-grant"));
    for order in [[&names, &numbers], [&numbers, &names]] {
        let house = new().await;
        for event in order.into_iter().chain(order) {
            assert_eq!(house.send(event).await, taken());
        }
        told(&house).await;
    }
}

#[tokio::test]
async fn records_one_by_one_backwards_and_twice_are_told_alike() {
    let house = new().await;
    let (names, numbers) = (sample("queue-names"), sample("stream-grant"));
    let mut records = numbers["Records"].as_array().unwrap().clone();
    records.reverse();
    for record in records.iter().chain(&records) {
        assert_eq!(house.send(&json!({"Records": [record]})).await, taken());
    }
    assert_eq!(house.send(&names).await, taken());
    told(&house).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_those_before_it_are_kept() {
    let house = new().await;
    let mut numbers = sample("stream-grant");
    let bad = json!({"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "666", "NewImage": {"pk": {"S": SUBSCRIPTION}, "sk": {"S": "G"}}}});
    numbers["Records"].as_array_mut().unwrap().push(bad);
    assert_eq!(house.send(&numbers).await, json!({"batchItemFailures": [{"itemIdentifier": "666"}]}));
    house.send(&sample("queue-names")).await;
    told(&house).await;
}

#[tokio::test]
async fn both_sides_see_a_subscription_and_a_stranger_what_does_not_exist() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    let query = format!("subscription={SUBSCRIPTION}");
    for (organization, status) in [(CONSUMER, 200), (PROVIDER, 200), (STRANGER, 404)] {
        assert_eq!(get(&house, organization, "/v1/usage", &query).await.0, status, "{organization}");
    }
    let refused = get(&house, STRANGER, "/v1/usage", &query).await;
    assert_eq!(refused, get(&house, STRANGER, "/v1/usage", "subscription=sub_01h455vb4pex5vsknk084sn099").await);
    assert_eq!(refused, get(&house, STRANGER, "/v1/usage/periods", &query).await);
    // The callers of an API are its provider's to know.
    assert_eq!(refused, get(&house, CONSUMER, "/v1/usage/callers", "api=weather&operation=getForecast").await);
    assert_eq!(
        get(&house, PROVIDER, "/v1/usage/callers", "api=weather&operation=listStations").await.1["callers"],
        json!([])
    );
    assert_eq!(refused, get(&house, PROVIDER, "/v1/usage/callers", "api=weather&operation=nothing").await);
    for (bad, pointer) in [
        ("", "/query/subscription"),
        ("subscription=x", "/query/subscription"),
        (&*format!("{query}&from=x"), "/query/from"),
        (&*format!("{query}&more=1"), "/query/more"),
        (&*format!("{query}&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), "/query/from"),
    ] {
        let (status, problem) = get(&house, CONSUMER, "/v1/usage", bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
}

#[tokio::test]
async fn every_sample_call_is_answered() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    house.send(&sample("stream-grant")).await;
    house.send(&sample("stream-timings")).await;
    for name in ["http-usage", "http-callers", "http-callers-many", "http-calls", "http-periods", "http-operations"] {
        let answer = house.send(&sample(name)).await;
        assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
    }
}
