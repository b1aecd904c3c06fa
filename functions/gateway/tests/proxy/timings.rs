//! How calls went, counted aside.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::App;
use gateway::store::Store;
use gateway::timings::{Part, Timings, Went};
use house::party;
use http::StatusCode;
use shared::chassis::table::Table;
use shared::meter::{TIMED, Timed, TimedImage};
use shared::time::Time;

use crate::keys::Counter;
use crate::scene::{Deed, Scene, answer, settings};

/// What the rows of `weather` say, by operation.
async fn told(scene: &Scene) -> BTreeMap<String, Timed> {
    let pk = format!("{TIMED}{}#1", party("nimbus").id);
    let scan = scene.house.table.client.scan().table_name(&scene.house.table.name);
    let items = scan.send().await.unwrap().items.unwrap_or_default();
    let rows: Vec<TimedImage> = items
        .into_iter()
        .filter(|item| item["pk"].as_s().unwrap() == &pk)
        .map(|item| serde_dynamo::aws_sdk_dynamodb_1::from_item(item).unwrap())
        .collect();
    assert!(rows.len() < 2, "one sandbox in one hour");
    rows.into_iter().flat_map(|row| row.o).collect()
}

fn classes(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(class, count)| ((*class).to_owned(), *count)).collect()
}

#[tokio::test]
async fn what_calls_came_to_is_written_once_in_a_while_and_when_the_sandbox_ends() {
    let mut scene = Scene::new().await;
    let counter = Counter::default();
    let Table { client, name } = scene.house.table.clone();
    let config = client.config().to_builder().interceptor(counter.clone()).build();
    scene.house.app = App::new(Table { client: aws_sdk_dynamodb::Client::from_conf(config), name }, settings());
    assert_eq!(scene.call("GET /things/1").await.status, 200);
    counter.since();

    // Warm, a call is one write, and nothing is written of how it went.
    for _ in 0..20 {
        assert_eq!(scene.call("GET /things/1").await.status, 200);
    }
    assert_eq!((counter.since(), told(&scene).await), (20, BTreeMap::new()));
    // A minute later another call writes what was counted before it. The API is looked up again.
    scene.house.now_ms += 60_000;
    scene.upstream.will([answer("404 Not Found", "x-a: 1", b""), answer("500 Oops", "x-a: 1", b"")]);
    assert_eq!(scene.call("POST /things/1").await.status, 404);
    let own = told(&scene).await;
    assert_eq!((own.len(), &own["0"].c), (1, &classes(&[("2", 21)])));
    counter.since();
    assert_eq!(scene.call("POST /things/1").await.status, 500);
    assert_eq!(counter.since(), 2, "the admission and the refund");
    scene.upstream.will([Deed::Drop, answer("302 Found", "location: /", b"")]);
    assert_eq!(scene.call("POST /things/1").await.status, 502);
    assert_eq!(scene.call("POST /things/1").await.status, 302);
    // No operation, no timing.
    assert_eq!(scene.call("POST /nothing").await.status, 404);
    scene.key = String::new();
    assert_eq!(scene.call("POST /things/1").await.status, 401);
    counter.since();

    scene.house.app.close().await;
    assert_eq!(counter.since(), 1);
    let own = told(&scene).await;
    assert_eq!(own["0"].c, classes(&[("2", 21)]));
    assert_eq!(own["1"].c, classes(&[("3", 1), ("4", 1), ("5", 2)]));
    for timed in own.values() {
        let calls = |histogram: &BTreeMap<String, u64>| histogram.values().sum::<u64>();
        assert_eq!((calls(&timed.t), calls(&timed.u)), (calls(&timed.c), calls(&timed.c)));
    }
    scene.house.app.close().await;
    assert_eq!(counter.since(), 0, "all of it is written");
}

#[tokio::test]
async fn a_refused_call_is_a_refused_one_of_its_operation() {
    let mut scene = Scene::new().await;
    scene.upstream.will((0..5).map(|_| Deed::Drop));
    let over = vec![0xff; 4_400_001];
    assert_eq!(scene.call_with("PUT /things/1", &[], Some(&over)).await.status, 413);
    for _ in 0..5 {
        assert_eq!(scene.call("POST /things/1").await.status, 502);
    }
    // The upstream is left alone: the caller gets an error, and nobody was asked.
    assert_eq!(scene.call("POST /things/1").await.status, 503);
    scene.house.app.close().await;
    scene.house.now_ms += 1;
    let own = told(&scene).await;
    assert_eq!((&own["2"].c, own["2"].t.len(), own["2"].u.len()), (&classes(&[("r", 1)]), 0, 0));
    assert_eq!(own["1"].c, classes(&[("5", 6)]));
    assert_eq!((own["1"].t.values().sum::<u64>(), own["1"].u.values().sum::<u64>()), (6, 5));
}

#[tokio::test]
async fn a_thousand_calls_make_a_batch_and_many_operations_more_than_one_row() {
    let scene = Scene::new().await;
    let (timings, now) = (Timings::default(), Time::from_ms(scene.house.now_ms));
    let went = Went { admitted: true, status: StatusCode::OK, whole: Duration::ZERO, upstream: None };
    let count = |operation, now| timings.count(Part::of(party("nimbus").id, 1, 1, operation), operation, went, now);
    for call in 0..1_000 {
        assert!(!timings.due(now), "{call}");
        count(call % 65, now);
    }
    assert!(timings.due(now));
    let store = Store::new(scene.house.table.clone());
    timings.write(&store, "w").await.unwrap();
    assert!(!timings.due(now));
    let pk = format!("{TIMED}{}#1", party("nimbus").id);
    for (part, operations) in [(0, 64), (1, 1)] {
        let row = scene.item(&pk, &format!("{TIMED}{}#1.{part}#w", now.hour())).await.unwrap();
        assert_eq!(row["o"].as_m().unwrap().len(), operations);
        assert!(row.contains_key("ttl"));
    }
    // Nothing to write, however late it is; a count that is a minute old is written.
    assert!(!timings.due(now.plus_ms(3_600_000)));
    count(1, now);
    assert!(!timings.due(now.plus_ms(59_999)) && timings.due(now.plus_ms(60_000)));
}
