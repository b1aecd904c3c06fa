//! The callers of many operations at once.

use house::Who;
use serde_json::{Value, json};

use crate::{CONSUMER, House, PROVIDER, STRANGER, SUBSCRIPTION, new, sample, taken};

const PATH: &str = "POST /v1/usage/callers";

async fn ask(house: &House<usage::App>, organization: &str, question: &Value) -> (u16, Value) {
    let principal = json!({"organization": {"id": organization, "slug": "acme"}, "actor": "token_x", "role": "viewer"});
    let found = json!({"state": "principal", "principal": principal.to_string()});
    let answer = house.call(Who::Found(&found), PATH, &[], Some(question.clone())).await;
    (answer.status, answer.body)
}

/// A sample of another subscription.
fn of(name: &str, n: u32) -> Value {
    let id = format!("sub_01h455vb4pex5vsk{n:010}");
    serde_json::from_str(&sample(name).to_string().replace(SUBSCRIPTION, &id)).unwrap()
}

fn question(operations: &[&str], window: &str) -> Value {
    json!({"api": "weather", "operations": operations, "window": window})
}

#[tokio::test]
async fn each_operation_has_its_callers_and_its_days_whatever_comes_first_and_how_often() {
    let (names, numbers) = (sample("queue-names"), sample("stream-grant"));
    for order in [[&names, &numbers], [&numbers, &names]] {
        let house = new().await;
        for event in order.into_iter().chain(order) {
            assert_eq!(house.send(event).await, taken());
        }
        let asked = question(&["listStations", "getForecast", "nothing", "getForecast"], "1d");
        let (status, answer) = ask(&house, PROVIDER, &asked).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer,
            json!({
                "api": "api_01h455vb4pex5vsknk084sn02w", "from": "2026-01-08T12:00:00.000Z", "complete_to": "2026-01-09T11:00:00.000Z",
                "complete": true, "subscriptions": 1,
                "callers": [{"organization": {"id": CONSUMER, "slug": "beta"}, "app": "app_01h455vb4pex5vsknk084sn02a", "app_name": "Beta's app",
                    "subscription": SUBSCRIPTION, "key": "key_01h455vb4pex5vsknk084sn02k", "key_name": "production"}],
                "operations": [
                    {"operation": "listStations", "calls": [{"caller": 0, "calls": 1, "last_seen": "2026-01-09T10:00:00.000Z"}], "days": [{"day": "2026-01-09", "calls": 1}]},
                    {"operation": "getForecast", "calls": [{"caller": 0, "calls": 4, "last_seen": "2026-01-09T11:00:00.000Z"}], "days": [{"day": "2026-01-09", "calls": 4}]},
                    {"operation": "nothing", "calls": [], "days": []}
                ]
            })
        );
        // The hour before has one call alone.
        let (_, last) = ask(&house, PROVIDER, &question(&["getForecast"], "1h")).await;
        assert_eq!(last["operations"][0]["calls"][0]["calls"], 1);
    }
}

#[tokio::test]
async fn counts_that_lag_are_not_complete() {
    let mut house = new().await;
    house.send(&sample("queue-names")).await;
    let asked = question(&["getForecast"], "90d");
    let noon = house.now_ms;
    // The subscription was made more than a day ago, and no image of its grant has come.
    house.now_ms = noon + 25 * 3_600_000;
    let (_, answer) = ask(&house, PROVIDER, &asked).await;
    assert_eq!(
        (&answer["complete"], &answer["callers"], &answer["subscriptions"]),
        (&json!(false), &json!([]), &json!(1)),
        "{answer}"
    );
    house.send(&sample("stream-grant")).await;
    // At 12:00 the hour of 11:00 is open; at 14:00 it should have been closed.
    for (hours, complete) in [(0, true), (1, true), (2, false)] {
        house.now_ms = noon + hours * 3_600_000;
        assert_eq!(ask(&house, PROVIDER, &asked).await.1["complete"], complete, "{hours}");
    }
}

#[tokio::test]
async fn an_api_is_its_providers_and_a_question_has_limits() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    let asked = question(&["getForecast"], "1d");
    assert_eq!(ask(&house, PROVIDER, &asked).await.0, 200);
    let (status, missing) = ask(&house, STRANGER, &asked).await;
    assert_eq!(status, 404);
    assert_eq!(ask(&house, CONSUMER, &asked).await, (404, missing.clone()));
    let other = json!({"api": "nothing", "operations": ["getForecast"]});
    assert_eq!(ask(&house, PROVIDER, &other).await, (404, missing));
    let long = "x".repeat(1_001);
    for (question, pointer) in [
        (json!({"api": "weather", "operations": []}), "/operations"),
        (json!({"api": "weather", "operations": ["a", ""]}), "/operations/1"),
        (json!({"api": "weather", "operations": [long]}), "/operations/0"),
        (json!({"api": "weather", "operations": vec!["a"; 10_001]}), "/operations"),
        (json!({"api": "weather", "operations": ["a"], "window": "91d"}), "/window"),
        (json!({"api": "weather", "operations": ["a"], "side": 1}), "/side"),
    ] {
        let (status, problem) = ask(&house, PROVIDER, &question).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    assert_eq!(house.call(Who::Anyone, PATH, &[], Some(asked)).await.kind(), (401, "unauthenticated"));
}

#[tokio::test]
async fn many_callers_are_all_there_with_the_sums_of_their_calls() {
    let house = new().await;
    for n in 0..40 {
        house.send(&of("queue-names", n)).await;
        house.send(&of("stream-grant", n)).await;
    }
    let (_, answer) = ask(&house, PROVIDER, &question(&["getForecast", "listStations"], "30d")).await;
    assert_eq!((answer["subscriptions"].as_u64(), answer["callers"].as_array().map(Vec::len)), (Some(40), Some(40)));
    let calls = answer["operations"][0]["calls"].as_array().unwrap();
    assert_eq!((calls.len(), calls.iter().map(|calls| calls["calls"].as_u64().unwrap()).sum::<u64>()), (40, 160));
    assert_eq!(answer["operations"][1]["days"], json!([{"day": "2026-01-09", "calls": 40}]));
}

#[tokio::test]
async fn several_routes_to_one_operation_are_taken_and_counted_once() {
    let house = new().await;
    let mut names = sample("queue-names");
    let body = names["Records"][1]["body"].as_str().unwrap().to_owned();
    let mut envelope: Value = serde_json::from_str(&body).unwrap();
    let mut state: Value = serde_json::from_str(envelope["detail"]["data"].as_str().unwrap()).unwrap();
    let routes = state["routes"].as_array_mut().unwrap();
    let mut second = routes[0].clone();
    second["path"] = json!("/forecasts/{city}");
    routes.push(second);
    envelope["detail"]["data"] = json!(state.to_string());
    names["Records"][1]["body"] = json!(envelope.to_string());
    assert_eq!(house.send(&names).await, taken());
    house.send(&sample("stream-grant")).await;
    let (_, answer) = ask(&house, PROVIDER, &question(&["getForecast"], "1d")).await;
    assert_eq!(answer["operations"][0]["calls"][0]["calls"], 4, "{answer}");
}

#[tokio::test]
async fn who_called_an_operation_under_the_id_that_it_had_before_is_found_by_its_route() {
    let house = new().await;
    house.send(&sample("queue-names")).await;
    house.send(&sample("stream-grant")).await;
    // The next version renames one operation and gives its old id to the other one; nobody has called it yet.
    let mut next = sample("queue-names");
    let bodies = next["Records"].as_array_mut().unwrap();
    bodies.truncate(2);
    for (record, changes) in bodies.iter_mut().zip([
        &[
            ("\"revision\": \"2\"", "\"revision\": \"3\""),
            (r#"\"revision\":2"#, r#"\"revision\":3"#),
            (r#"\"number\":1,\"parts\""#, r#"\"number\":2,\"parts\""#),
        ][..],
        &[
            (r#"\"version_number\":1"#, r#"\"version_number\":2"#),
            ("sn02v.0", "sn02w.0"),
            (r#"{city}\",\"operation\":\"getForecast"#, r#"{place}\",\"operation\":\"fetchForecast"#),
            ("listStations", "getForecast"),
        ],
    ]) {
        let mut body = record["body"].as_str().unwrap().to_owned();
        for (from, to) in changes {
            assert!(body.contains(from), "{from}");
            body = body.replace(from, to);
        }
        record["body"] = body.into();
    }
    assert_eq!(house.send(&next).await, taken());
    let (_, answer) = ask(&house, PROVIDER, &question(&["fetchForecast", "getForecast", "listStations"], "1d")).await;
    let calls: Vec<&Value> =
        answer["operations"].as_array().unwrap().iter().map(|of| &of["calls"][0]["calls"]).collect();
    assert_eq!(calls, [&json!(4), &json!(1), &Value::Null], "{answer}");
}
