//! The real function on a real store: what comes in, and what is told.

// Clippy knows a test by its attribute, and helpers have none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use serde_json::{Value, json};
use shared::chassis::table::Table;
use shared::chassis::{Environment, handle};
use shared::page::Pages;
use shared::seal::Secret;
use usage::App;

const CONSUMER: &str = "org_01h455vb4pex5vsknk084sn02c";
const PROVIDER: &str = "org_01h455vb4pex5vsknk084sn02p";
const STRANGER: &str = "org_01h455vb4pex5vsknk084sn02s";
const SUBSCRIPTION: &str = "sub_01h455vb4pex5vsknk084sn02q";

struct Cloud {
    app: App,
    _folder: tempfile::TempDir,
}

impl Cloud {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = dynoxide::Database::new(folder.path().join("db").to_str().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .build();
        let client = Client::from_conf(config);
        let mut table = client.create_table().table_name("usage").billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            table = table
                .attribute_definitions(
                    AttributeDefinition::builder()
                        .attribute_name(name)
                        .attribute_type(ScalarAttributeType::S)
                        .build()
                        .unwrap(),
                )
                .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap());
        }
        table.send().await.unwrap();
        let table = Table { client, name: "usage".into() };
        let app = App::new(Environment { table, pages: Pages::new(&Secret::new("page")) });
        Self { app, _folder: folder }
    }

    async fn send(&self, payload: &Value) -> Value {
        handle(&self.app, &payload.to_string(), "request").await.unwrap()
    }

    async fn get(&self, organization: &str, path: &str, query: &str) -> (u64, Value) {
        let principal =
            json!({"organization": {"id": organization, "slug": "acme"}, "actor": "token_x", "role": "viewer"})
                .to_string();
        let answer = self
            .send(&json!({
                "version": "2.0", "routeKey": "ANY /v1/usage", "rawPath": path, "rawQueryString": query, "headers": {},
                "requestContext": {"http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"},
                    "requestId": "r", "timeEpoch": 1_767_960_000_000_i64, "domainName": "localhost", "stage": "$default",
                    "authorizer": {"lambda": {"state": "principal", "principal": principal}}},
                "isBase64Encoded": false
            }))
            .await;
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
    }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn taken() -> Value {
    json!({"batchItemFailures": []})
}

/// The sample events tell one story: two hours of calls with one key, one of them refunded, two refused.
async fn told(cloud: &Cloud) {
    let (status, usage) = cloud.get(CONSUMER, "/v1/usage", &format!("subscription={SUBSCRIPTION}")).await;
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
            "complete_to": "2026-01-09T11:00:00.000Z"
        })
    );
    let (status, callers) =
        cloud.get(PROVIDER, "/v1/usage/callers", "api=weather&operation=getForecast&window=1d").await;
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
        let cloud = Cloud::start().await;
        for event in order.into_iter().chain(order) {
            assert_eq!(cloud.send(event).await, taken());
        }
        told(&cloud).await;
    }
}

#[tokio::test]
async fn records_one_by_one_backwards_and_twice_are_told_alike() {
    let cloud = Cloud::start().await;
    let (names, numbers) = (sample("queue-names"), sample("stream-grant"));
    let mut records = numbers["Records"].as_array().unwrap().clone();
    records.reverse();
    for record in records.iter().chain(&records) {
        assert_eq!(cloud.send(&json!({"Records": [record]})).await, taken());
    }
    assert_eq!(cloud.send(&names).await, taken());
    told(&cloud).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_those_before_it_are_kept() {
    let cloud = Cloud::start().await;
    let mut numbers = sample("stream-grant");
    let bad = json!({"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": "666", "NewImage": {"pk": {"S": SUBSCRIPTION}, "sk": {"S": "G"}}}});
    numbers["Records"].as_array_mut().unwrap().push(bad);
    assert_eq!(cloud.send(&numbers).await, json!({"batchItemFailures": [{"itemIdentifier": "666"}]}));
    cloud.send(&sample("queue-names")).await;
    told(&cloud).await;
}

#[tokio::test]
async fn both_sides_see_a_subscription_and_a_stranger_what_does_not_exist() {
    let cloud = Cloud::start().await;
    cloud.send(&sample("queue-names")).await;
    let query = format!("subscription={SUBSCRIPTION}");
    for (organization, status) in [(CONSUMER, 200), (PROVIDER, 200), (STRANGER, 404)] {
        assert_eq!(cloud.get(organization, "/v1/usage", &query).await.0, status, "{organization}");
    }
    let refused = cloud.get(STRANGER, "/v1/usage", &query).await;
    assert_eq!(refused, cloud.get(STRANGER, "/v1/usage", "subscription=sub_01h455vb4pex5vsknk084sn099").await);
    // The callers of an API are its provider's to know.
    assert_eq!(refused, cloud.get(CONSUMER, "/v1/usage/callers", "api=weather&operation=getForecast").await);
    assert_eq!(
        cloud.get(PROVIDER, "/v1/usage/callers", "api=weather&operation=listStations").await.1["callers"],
        json!([])
    );
    assert_eq!(refused, cloud.get(PROVIDER, "/v1/usage/callers", "api=weather&operation=nothing").await);
    for (bad, pointer) in [
        ("", "/query/subscription"),
        ("subscription=x", "/query/subscription"),
        (&*format!("{query}&from=x"), "/query/from"),
        (&*format!("{query}&more=1"), "/query/more"),
        (&*format!("{query}&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), "/query/from"),
    ] {
        let (status, problem) = cloud.get(CONSUMER, "/v1/usage", bad).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{problem}");
    }
}

#[tokio::test]
async fn every_sample_call_is_answered() {
    let cloud = Cloud::start().await;
    cloud.send(&sample("queue-names")).await;
    cloud.send(&sample("stream-grant")).await;
    for name in ["http-usage", "http-callers"] {
        let answer = cloud.send(&sample(name)).await;
        assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
    }
}
