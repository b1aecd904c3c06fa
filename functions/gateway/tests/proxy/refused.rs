//! Calls that were refused, counted aside.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use gateway::refused::Refused;
use gateway::store::Store;
use shared::chassis::table::Table;
use shared::meter::REFUSED_SK;
use shared::time::Time;

use crate::scene::Scene;

#[tokio::test]
async fn what_nobody_waited_to_be_written_is_written_the_next_time() {
    let scene = Scene::new().await;
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let table = &scene.house.table;
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let config = table.client.config().to_builder().endpoint_url(endpoint).build();
    let away = Store::new(Table { client: Client::from_conf(config), name: table.name.clone() });
    let (refused, now) = (Refused::default(), Time::from_ms(scene.house.now_ms));
    refused.count("sub_a", "rate-limited", now);
    assert!(tokio::time::timeout(Duration::from_millis(20), refused.write(&away, "w")).await.is_err());
    refused.count("sub_a", "rate-limited", now);
    refused.write(&Store::new(table.clone()), "w").await.unwrap();
    let row = scene.item("sub_a", &format!("{REFUSED_SK}{}#w", now.hour())).await.unwrap();
    assert_eq!(row["n"].as_m().unwrap()["rate-limited"].as_n().unwrap(), "2");

    // Nothing is left, so nothing is asked of the table.
    let nobody = tokio::time::timeout(Duration::from_mins(1), refused.write(&away, "w")).await;
    assert!(nobody.unwrap().is_ok());
}

#[tokio::test]
async fn what_is_counted_while_another_count_is_written_is_written_too() {
    let scene = Scene::new().await;
    let store = Store::new(scene.house.table.clone());
    let (refused, now) = (Refused::default(), Time::from_ms(scene.house.now_ms));
    refused.count("sub_a", "rate-limited", now);
    let (written, _) = tokio::join!(refused.write(&store, "w"), async { refused.count("sub_a", "rate-limited", now) });
    written.unwrap();
    refused.write(&store, "w").await.unwrap();
    let row = scene.item("sub_a", &format!("{REFUSED_SK}{}#w", now.hour())).await.unwrap();
    assert_eq!(row["n"].as_m().unwrap()["rate-limited"].as_n().unwrap(), "2");
}

/// What a row says, by reason.
async fn told(scene: &Scene, grant: &str, hour: i64) -> BTreeMap<String, String> {
    let row = scene.item(grant, &format!("{REFUSED_SK}{hour}#w")).await.unwrap_or_default();
    let counts = row.get("n").and_then(|counts| counts.as_m().ok()).cloned().unwrap_or_default();
    counts.into_iter().map(|(reason, count)| (reason, count.as_n().unwrap().clone())).collect()
}

fn counts(counts: &[(&str, &str)]) -> BTreeMap<String, String> {
    counts.iter().map(|(reason, count)| ((*reason).to_owned(), (*count).to_owned())).collect()
}

#[tokio::test]
async fn a_batch_is_due_after_a_thousand_refusals_or_five_seconds_and_not_before() {
    let scene = Scene::new().await;
    let (refused, now) = (Refused::default(), Time::from_ms(scene.house.now_ms));
    for call in 1..1_000 {
        assert!(!refused.count("sub_a", "rate-limited", now), "{call}");
    }
    assert!(refused.count("sub_a", "rate-limited", now));
    let store = Store::new(scene.house.table.clone());
    refused.write(&store, "w").await.unwrap();
    assert_eq!(told(&scene, "sub_a", now.hour()).await, counts(&[("rate-limited", "1000")]));
    // The five seconds begin with the first that is not written.
    let later = now.plus_ms(60_000);
    assert!(!refused.count("sub_a", "rate-limited", later));
    assert!(!refused.count("sub_a", "rate-limited", later.plus_ms(4_999)));
    assert!(refused.count("sub_a", "rate-limited", later.plus_ms(5_000)));
    refused.write(&store, "w").await.unwrap();
    assert_eq!(told(&scene, "sub_a", now.hour()).await, counts(&[("rate-limited", "1003")]), "absolute numbers");
}

#[tokio::test]
async fn grants_hours_and_reasons_are_counted_apart_and_an_hour_that_is_over_is_kept_until_it_is_written() {
    let scene = Scene::new().await;
    let table = &scene.house.table;
    let config = table.client.config().to_builder().endpoint_url("http://127.0.0.1:1");
    let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
    let away = Store::new(Table { client, name: table.name.clone() });
    let (refused, now) = (Refused::default(), Time::from_ms(scene.house.now_ms));
    for (grant, reason) in [("sub_a", "rate-limited"), ("sub_a", "quota-exceeded"), ("sub_b", "rate-limited")] {
        refused.count(grant, reason, now);
    }
    assert!(refused.write(&away, "w").await.is_err());
    let later = now.plus_ms(3 * 3_600_000);
    refused.count("sub_a", "rate-limited", later);
    assert!(refused.write(&away, "w").await.is_err());
    refused.write(&Store::new(table.clone()), "w").await.unwrap();
    let hour = now.hour();
    assert_eq!(told(&scene, "sub_a", hour).await, counts(&[("quota-exceeded", "1"), ("rate-limited", "1")]));
    assert_eq!(told(&scene, "sub_b", hour).await, counts(&[("rate-limited", "1")]));
    assert_eq!(told(&scene, "sub_a", hour + 3).await, counts(&[("rate-limited", "1")]));
}
