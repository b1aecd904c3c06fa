//! How calls went: status classes and latency, by operation and hour.

use serde_json::{Value, json};

use crate::{CONSUMER, PROVIDER, STRANGER, get, new, sample, taken};

const PATH: &str = "/v1/usage/operations";

/// What the sample records say: three sandboxes' hours, of which one was written twice.
fn forecast() -> Value {
    let bucket = |(up_to_ms, calls): (u32, u64)| json!({"up_to_ms": up_to_ms, "calls": calls});
    let latency = |percentiles: [u32; 3], buckets: &[(u32, u64)]| {
        let [p50, p90, p99] = percentiles;
        let histogram: Vec<Value> = buckets.iter().copied().map(bucket).collect();
        json!({"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "histogram": histogram})
    };
    json!({
        "operation": "getForecast", "version": 1,
        "status_2xx": 18, "status_3xx": 1, "status_4xx": 1, "status_5xx": 1, "refused": 5, "error_rate": 1.0 / 21.0,
        "latency": latency([10, 12, 1024], &[(4, 1), (10, 16), (12, 3), (1024, 1)]),
        "upstream": latency([8, 8, 1024], &[(3, 1), (8, 19), (1024, 1)]),
        "by_hour": [
            {
                "hour": "2026-01-09T10:00:00.000Z",
                "status_2xx": 18, "status_3xx": 0, "status_4xx": 1, "status_5xx": 1, "refused": 5, "error_rate": 0.05,
                "latency": latency([10, 12, 1024], &[(10, 16), (12, 3), (1024, 1)]),
                "upstream": latency([8, 8, 1024], &[(8, 19), (1024, 1)])
            },
            {
                "hour": "2026-01-09T11:00:00.000Z",
                "status_2xx": 0, "status_3xx": 1, "status_4xx": 0, "status_5xx": 0, "refused": 0, "error_rate": 0.0,
                "latency": latency([4, 4, 4], &[(4, 1)]), "upstream": latency([3, 3, 3], &[(3, 1)])
            }
        ]
    })
}

#[tokio::test]
async fn timings_one_by_one_backwards_and_twice_are_told_alike() {
    let all = sample("stream-timings");
    let mut backwards = all["Records"].as_array().unwrap().clone();
    backwards.reverse();
    let both = [all["Records"].as_array().unwrap().clone(), backwards.clone()].concat();
    let twice = json!({ "Records": both });
    let one_by_one: Vec<Value> = backwards.iter().map(|record| json!({"Records": [record]})).collect();
    for story in [vec![all.clone()], vec![twice], [one_by_one.clone(), one_by_one].concat()] {
        let house = new().await;
        house.send(&sample("queue-names")).await;
        for records in story {
            assert_eq!(house.send(&records).await, taken());
        }
        let (status, told) = get(&house, PROVIDER, PATH, "api=weather&operation=getForecast").await;
        assert_eq!((status, &told["operations"]), (200, &json!([forecast()])), "{told}");
    }
}

#[tokio::test]
async fn all_operations_are_told_without_their_hours_and_only_those_of_the_time_asked_for() {
    let house = new().await;
    house.send(&sample("stream-timings")).await;
    house.send(&sample("queue-names")).await;
    let (status, told) = get(&house, PROVIDER, PATH, "api=weather").await;
    // Now is the beginning of an hour, and a day before it the other end.
    let span = ("2026-01-08T12:00:00.000Z", "2026-01-09T12:00:00.000Z");
    assert_eq!((status, told["from"].as_str(), told["to"].as_str()), (200, Some(span.0), Some(span.1)), "{told}");
    let operations = told["operations"].as_array().unwrap();
    assert_eq!(
        operations[1],
        json!({
            "operation": "listStations", "version": 1,
            "status_2xx": 1, "status_3xx": 0, "status_4xx": 0, "status_5xx": 0, "refused": 0, "error_rate": 0.0,
            "latency": {"p50_ms": 2, "p90_ms": 2, "p99_ms": 2}, "upstream": {"p50_ms": 1, "p90_ms": 1, "p99_ms": 1}
        })
    );
    assert_eq!((operations.len(), &operations[0]["status_2xx"]), (2, &json!(18)));
    let (_, told) = get(&house, PROVIDER, PATH, "api=weather&from=2026-01-09T11:30:00Z").await;
    assert_eq!(
        told["operations"],
        json!([{
            "operation": "getForecast", "version": 1,
            "status_2xx": 0, "status_3xx": 1, "status_4xx": 0, "status_5xx": 0, "refused": 0, "error_rate": 0.0,
            "latency": {"p50_ms": 4, "p90_ms": 4, "p99_ms": 4}, "upstream": {"p50_ms": 3, "p90_ms": 3, "p99_ms": 3}
        }])
    );
    let (_, told) = get(&house, PROVIDER, PATH, "api=weather&to=2026-01-09T10:00:00Z").await;
    assert_eq!(told["operations"], json!([]));
}

#[tokio::test]
async fn how_an_apis_calls_go_is_its_providers_to_know() {
    let house = new().await;
    house.send(&sample("stream-timings")).await;
    house.send(&sample("queue-names")).await;
    let nothing = get(&house, PROVIDER, PATH, "api=nothing").await;
    assert_eq!(nothing.0, 404);
    for organization in [CONSUMER, STRANGER] {
        assert_eq!(get(&house, organization, PATH, "api=weather").await, nothing);
        assert_eq!(get(&house, organization, PATH, "api=weather&operation=getForecast").await, nothing);
    }
    assert_eq!(get(&house, PROVIDER, PATH, "api=weather&operation=nothing").await, nothing);
    for (bad, pointer) in [
        ("", "/query/api"),
        ("api=weather&from=x", "/query/from"),
        ("api=weather&version=1", "/query/version"),
        ("api=weather&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "/query/from"),
        ("api=weather&from=2025-12-01T00:00:00Z&to=2026-01-01T01:00:00Z", "/query/from"),
    ] {
        let (status, problem) = get(&house, PROVIDER, PATH, bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
}

#[tokio::test]
async fn a_row_of_timings_that_cannot_be_read_is_named_and_those_before_it_are_kept() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    let mut records = sample("stream-timings");
    let mut bad = records["Records"][0].clone();
    bad["dynamodb"]["NewImage"]["o"]["M"] = json!({"x": bad["dynamodb"]["NewImage"]["o"]["M"]["0"]});
    bad["dynamodb"]["SequenceNumber"] = json!("666");
    records["Records"].as_array_mut().unwrap().push(bad);
    assert_eq!(house.send(&records).await, json!({"batchItemFailures": [{"itemIdentifier": "666"}]}));
    let (_, told) = get(&house, PROVIDER, PATH, "api=weather&operation=getForecast").await;
    assert_eq!(told["operations"], json!([forecast()]));
}
