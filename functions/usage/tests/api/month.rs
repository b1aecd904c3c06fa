//! The end of a month: its last hours, its seal, and the comparison of the two.

use house::House;
use serde_json::{Value, json};
use shared::event::PeriodState;
use usage::App;

use super::{CONSUMER, PROVIDER, STRANGER, SUBSCRIPTION, get, new, sample, taken};

/// After the sample events `stream-month-end` one more of the five calls was given back.
fn january() -> Value {
    json!({
        "id": format!("{SUBSCRIPTION}.2026-01"), "subscription": SUBSCRIPTION,
        "from": "2026-01-01T00:00:00.000Z", "to": "2026-02-01T00:00:00.000Z",
        "admitted": 5, "failed": 2, "units": 5, "sealed_units": 5, "equal": true,
        "by_terms": [{"revision": 1, "units": 5, "sealed_units": 5}]
    })
}

async fn periods(house: &House<App>, organization: &str) -> Value {
    let (status, page) = get(house, organization, "/v1/usage/periods", &format!("subscription={SUBSCRIPTION}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].clone()
}

async fn told(house: &House<App>) -> Vec<PeriodState> {
    house.outbox(SUBSCRIPTION).await.iter().map(|event| event.state().unwrap().unwrap()).collect()
}

/// A sample seal of another month, or with other counts.
fn seal(change: impl Fn(&mut Value)) -> Value {
    let mut message = sample("queue-seal");
    let mut body: Value = serde_json::from_str(message["Records"][0]["body"].as_str().unwrap()).unwrap();
    let mut data: Value = serde_json::from_str(body["detail"]["data"].as_str().unwrap()).unwrap();
    change(&mut data);
    body["detail"]["data"] = data.to_string().into();
    message["Records"][0]["body"] = body.to_string().into();
    message
}

#[tokio::test]
async fn a_seal_and_the_hours_meet_in_whatever_order_they_come_and_are_told_once() {
    let names = ["queue-names", "stream-grant", "stream-month-end", "queue-seal"];
    for order in [[0, 1, 2, 3], [3, 0, 1, 2], [2, 1, 3, 0], [1, 3, 2, 0], [3, 2, 1, 0]] {
        let house = new().await;
        for at in order.into_iter().chain(order) {
            assert_eq!(house.send(&sample(names[at])).await, taken(), "{order:?}");
        }
        assert_eq!(periods(&house, CONSUMER).await, json!([january()]), "{order:?}");
        let told = told(&house).await;
        assert_eq!(told.len(), 1, "{order:?}: {told:?}");
        assert_eq!((told[0].id.as_str(), told[0].revision), (&*format!("{SUBSCRIPTION}.2026-01"), 1));
        assert_eq!((told[0].admitted, told[0].failed, told[0].units, told[0].sealed_units), (5, 2, 5, 5));
    }
}

#[tokio::test]
async fn a_seal_waits_for_the_last_record_of_its_month() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    house.send(&sample("stream-grant")).await;
    assert_eq!(house.send(&sample("queue-seal")).await, taken());
    let records = sample("stream-month-end")["Records"].as_array().unwrap().clone();
    for record in &records[..2] {
        assert_eq!(house.send(&json!({"Records": [record]})).await, taken());
        assert_eq!((periods(&house, PROVIDER).await, told(&house).await), (json!([]), vec![]));
    }
    assert_eq!(house.send(&json!({"Records": [records[2]]})).await, taken());
    assert_eq!(periods(&house, PROVIDER).await, json!([january()]));
}

#[tokio::test]
async fn a_late_refund_is_in_the_last_hour_of_its_month_and_not_in_the_next_one() {
    let house = new().await;
    for name in ["queue-names", "stream-grant", "stream-month-end"] {
        house.send(&sample(name)).await;
    }
    let query = |from: &str, to: &str| format!("subscription={SUBSCRIPTION}&from={from}&to={to}");
    let (_, usage) = get(&house, CONSUMER, "/v1/usage", &query("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")).await;
    assert_eq!((&usage["admitted"], &usage["failed"], &usage["units"]), (&json!(5), &json!(2), &json!(5)));
    assert_eq!(
        usage["by_hour"][2],
        json!({"hour": "2026-01-31T23:00:00.000Z", "admitted": 0, "rejected": 0, "failed": 1, "units": -1})
    );
    assert_eq!(usage["by_terms"], json!([{"revision": 1, "units": 5}]));
    assert_eq!(usage["complete_to"], "2026-02-01T00:00:00.000Z");
    let (_, usage) = get(&house, CONSUMER, "/v1/usage", &query("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")).await;
    assert_eq!((&usage["failed"], &usage["units"], &usage["by_terms"]), (&json!(0), &json!(0), &json!([])));
    let (_, usage) = get(&house, CONSUMER, "/v1/usage", &query("2026-01-09T10:00:00Z", "2026-01-09T11:00:00Z")).await;
    assert_eq!((&usage["admitted"], &usage["failed"], &usage["units"]), (&json!(4), &json!(1), &json!(5)));
}

#[tokio::test]
async fn a_seal_that_differs_is_shown_and_told_with_both_numbers() {
    let house = new().await;
    for name in ["queue-names", "stream-grant", "stream-month-end"] {
        house.send(&sample(name)).await;
    }
    let other = seal(|data| data["terms"][0]["admitted"] = 8.into());
    assert_eq!(house.send(&other).await, taken());
    let told = told(&house).await;
    assert_eq!((told.len(), told[0].units, told[0].sealed_units), (1, 5, 6));
    assert_eq!(periods(&house, CONSUMER).await[0]["by_terms"], json!([{"revision": 1, "units": 5, "sealed_units": 6}]));
    assert_eq!(periods(&house, CONSUMER).await[0]["equal"], false);
    house.tells_all_again().await;
}

#[tokio::test]
async fn periods_come_page_by_page_and_a_token_is_its_own_sides() {
    let house = new().await;
    for name in ["queue-names", "stream-grant", "stream-month-end", "queue-seal"] {
        house.send(&sample(name)).await;
    }
    // A month before the first call: sealed with nothing.
    let december = seal(|data| {
        data["id"] = format!("{SUBSCRIPTION}.2025-12").into();
        (data["from"], data["to"]) = (json!("2025-12-01T00:00:00Z"), json!("2026-01-01T00:00:00Z"));
        (data["terms"][0]["admitted"], data["terms"][0]["refunded"]) = (0.into(), 0.into());
    });
    assert_eq!(house.send(&december).await, taken());
    let query = format!("subscription={SUBSCRIPTION}&page_size=1");
    let (_, first) = get(&house, CONSUMER, "/v1/usage/periods", &query).await;
    assert_eq!(first["items"][0]["id"], format!("{SUBSCRIPTION}.2025-12"));
    assert_eq!((&first["items"][0]["equal"], &first["items"][0]["by_terms"]), (&json!(true), &json!([])));
    let next = format!("{query}&page_token={}", first["next_page_token"].as_str().unwrap());
    let (_, second) = get(&house, CONSUMER, "/v1/usage/periods", &next).await;
    assert_eq!(second["items"], json!([january()]));
    assert_eq!(get(&house, PROVIDER, "/v1/usage/periods", &next).await.0, 400);
    let missing = "subscription=sub_01h455vb4pex5vsknk084sn099&page_size=1";
    let refused = get(&house, STRANGER, "/v1/usage/periods", &query).await;
    assert_eq!((refused.0, &refused), (404, &get(&house, CONSUMER, "/v1/usage/periods", missing).await));
    for (bad, pointer) in [
        ("", "/query/subscription"),
        (&*format!("subscription={SUBSCRIPTION}&page_size=0"), "/query/page_size"),
        (&*format!("subscription={SUBSCRIPTION}&page_token=x"), "/query/page_token"),
    ] {
        let (status, problem) = get(&house, CONSUMER, "/v1/usage/periods", bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
}

#[tokio::test]
async fn hours_that_are_whole_are_read_as_one_row_each_and_say_the_same() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    // An hour of three pages, and one call in the next.
    let image = |v: u64, b: u64, hour: i64, calls: u64, units: u64| {
        json!({"pk": {"S": SUBSCRIPTION}, "sk": {"S": "G"}, "v": {"N": v.to_string()}, "b": {"N": b.to_string()}, "bh": {"N": hour.to_string()}, "pr": {"N": "1"},
            "c": {"M": {"1.1.1.0": {"N": calls.to_string()}}}, "f": {"M": {}}, "p": {"M": {"490896.1": {"N": units.to_string()}}}, "q": {"M": {}},
            "la": {"N": units.to_string()}, "lf": {"N": "0"}})
    };
    let images = [
        image(1, 1, 491_098, 2, 4),
        image(2, 2, 491_098, 3, 10),
        image(3, 3, 491_098, 1, 12),
        image(4, 4, 491_099, 1, 13),
    ];
    let record = |old: Option<&Value>, new: &Value| json!({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "1", "OldImage": old, "NewImage": new}}]});
    house.send(&record(None, &images[0])).await;
    for pair in images.windows(2) {
        assert_eq!(house.send(&record(Some(&pair[0]), &pair[1])).await, taken());
    }
    let told = async || {
        let (status, usage) = get(&house, CONSUMER, "/v1/usage", &format!("subscription={SUBSCRIPTION}")).await;
        assert_eq!(status, 200, "{usage}");
        usage["by_hour"].clone()
    };
    let hours = json!([
        {"hour": "2026-01-09T10:00:00.000Z", "admitted": 6, "rejected": 0, "failed": 0, "units": 12},
        {"hour": "2026-01-09T11:00:00.000Z", "admitted": 1, "rejected": 0, "failed": 0, "units": 1}
    ]);
    assert_eq!(told().await, hours);
    // The pages are not read any more: one that is gone is not missed.
    let delete = house.table.client.delete_item().table_name(&house.table.name);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    delete.key("pk", text(SUBSCRIPTION)).key("sk", text("B#0000491098#000000000002")).send().await.unwrap();
    assert_eq!(told().await, hours);
}
