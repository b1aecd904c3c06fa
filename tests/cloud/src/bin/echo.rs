//! The function that tests the local cloud: it does what its event says.
//!
//! - HTTP API events: answers with the event; `?do=` chooses otherwise, see [`http`].
//! - Authorizer events: `Authorization: deny` is refused, everything else goes through with `{"who": …}`.
//! - SQS and stream batches: every record is written down in `TABLE`; records that contain `poison` are reported as failed.
//! - Everything else is answered with itself, unless it has a `do`, see [`direct`].

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let table = std::env::var("TABLE").unwrap_or_default();
    if std::env::var("BROKEN").is_ok() {
        return Err("told to be broken".into());
    }
    let client = client();
    if std::env::var("GRACEFUL").is_ok() {
        let (client, table) = (client.clone(), table.clone());
        lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
            let _ = put(&client, &table, "BYE", &std::process::id().to_string(), "").await;
        })
        .await;
    }
    let handler = service_fn(move |event: LambdaEvent<Value>| {
        let (client, table) = (client.clone(), table.clone());
        async move { answer(&client, &table, event.payload, &event.context.request_id).await }
    });
    lambda_runtime::run_concurrent(handler).await
}

fn client() -> Client {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
        Some(variable("AWS_SESSION_TOKEN")),
        None,
        "environment",
    );
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION")))
        .credentials_provider(credentials)
        .endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB"))
        .http_client(shared::chassis::web::ForSdk::default())
        .build();
    Client::from_conf(config)
}

async fn answer(client: &Client, table: &str, event: Value, request_id: &str) -> Result<Value, Error> {
    if event.get("type") == Some(&json!("REQUEST")) {
        let who = event.pointer("/headers/authorization").and_then(Value::as_str).unwrap_or("nobody");
        return Ok(json!({"isAuthorized": who != "deny", "context": {"who": who, "route": event.get("routeKey")}}));
    }
    if event.pointer("/requestContext/http").is_some() {
        return http(client, table, event).await;
    }
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        return batch(client, table, records).await;
    }
    direct(client, table, event, request_id).await
}

/// `?do=error|crash|sleep|big|raw|binary|cookies|put`, with `?n=` for milliseconds, bytes or the key.
async fn http(client: &Client, table: &str, event: Value) -> Result<Value, Error> {
    let parameter = |name: &str| event.pointer(&format!("/queryStringParameters/{name}")).and_then(Value::as_str);
    let number = parameter("n").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    match parameter("do") {
        Some("raw") => Ok(json!({"inferred": true})),
        Some("text") => Ok(json!({"statusCode": 404, "body": "nothing"})),
        Some("binary") => Ok(
            json!({"statusCode": 200, "headers": {"content-type": "image/png"}, "body": "AAEC", "isBase64Encoded": true}),
        ),
        Some("cookies") => Ok(json!({"statusCode": 204, "cookies": ["a=1; HttpOnly", "b=2"]})),
        Some("wrong") => Ok(json!({"statusCode": "many"})),
        Some(other) => direct(client, table, json!({"do": other, "n": number}), "")
            .await
            .map(|value| json!({"statusCode": 200, "body": value.to_string()})),
        None => Ok(
            json!({"statusCode": 200, "headers": {"content-type": "application/json", "x-pid": std::process::id()}, "body": event.to_string()}),
        ),
    }
}

/// `{"do": "error" | "crash" | "sleep" | "big" | "put" | "get" | "environment", "n": …, "table": …}`.
async fn direct(client: &Client, table: &str, event: Value, request_id: &str) -> Result<Value, Error> {
    let number = event.get("n").and_then(Value::as_u64).unwrap_or(0);
    let table = event.get("table").and_then(Value::as_str).unwrap_or(table);
    match event.get("do").and_then(Value::as_str) {
        Some("error") => Err("told to fail".into()),
        Some("crash") => std::process::exit(7),
        Some("sleep") => {
            tokio::time::sleep(Duration::from_millis(number)).await;
            Ok(json!({"pid": std::process::id()}))
        }
        Some("big") => Ok(json!({"fill": "x".repeat(usize::try_from(number)?)})),
        Some("put") => {
            put(client, table, "PUT", &number.to_string(), request_id).await?;
            Ok(json!({"put": number}))
        }
        Some("get") => {
            let key = AttributeValue::S(number.to_string());
            let found = client
                .get_item()
                .table_name(table)
                .key("pk", AttributeValue::S("PUT".to_owned()))
                .key("sk", key)
                .send()
                .await;
            let found = found.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error)?;
            Ok(json!({"found": found.item.is_some()}))
        }
        Some("environment") => Ok(std::env::vars()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_iter()
            .map(|(k, v)| (k, json!(v)))
            .collect::<Value>()),
        _ => Ok(event),
    }
}

async fn batch(client: &Client, table: &str, records: &[Value]) -> Result<Value, Error> {
    let mut failures = Vec::new();
    for record in records {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        let stream = text("/dynamodb/SequenceNumber");
        let id = stream.or_else(|| text("/messageId")).unwrap_or_default();
        if record.to_string().contains("poison") {
            failures.push(json!({ "itemIdentifier": id }));
            continue;
        }
        let body =
            text("/body").map_or_else(|| record.get("dynamodb").unwrap_or(&Value::Null).to_string(), str::to_owned);
        put(client, table, "SEEN", id, &body).await?;
    }
    Ok(json!({ "batchItemFailures": failures }))
}

/// Writes an item down; `times` counts how often.
async fn put(client: &Client, table: &str, pk: &str, sk: &str, body: &str) -> Result<(), Error> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let request = client
        .update_item()
        .table_name(table)
        .key("pk", text(pk))
        .key("sk", text(sk))
        .update_expression("SET #body = :body ADD #times :one")
        .expression_attribute_names("#body", "body")
        .expression_attribute_names("#times", "times")
        .expression_attribute_values(":body", text(body))
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    request.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error)?;
    Ok(())
}
