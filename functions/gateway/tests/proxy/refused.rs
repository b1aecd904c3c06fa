//! Calls that were refused, counted aside.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
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
