//! The function as it runs: its real router and its real store, on a real table, fed with API Gateway's payloads.

use accounts::App;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use serde_json::{Value, json};
use shared::chassis::table::Table;
use shared::chassis::{Environment, handle};
use shared::page::Pages;
use shared::seal::Secret;

/// When every call comes, unless it says otherwise.
pub(crate) const NOW_MS: i64 = 1_769_860_800_000;

/// The function on a table of its own.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) table: Table,
}

/// What a call was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Value,
    pub(crate) body: Value,
}

impl Answer {
    /// The problem's type and the first field that it names.
    pub(crate) fn problem(&self) -> (u64, &str, &str) {
        let kind = self.body["type"].as_str().unwrap_or_default();
        (
            self.status,
            kind.trim_start_matches("urn:doorway:problem:"),
            self.body["errors"][0]["pointer"].as_str().unwrap_or_default(),
        )
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
            .to_owned()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("local"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://{address}"));
        let table = Table { client: Client::from_conf(config.build()), name: "table".into() };
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let attribute = |name: &str| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let created = table.client.create_table().table_name("table").billing_mode(BillingMode::PayPerRequest);
        let created = created.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
        created.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send().await.unwrap();
        let environment = Environment { table: table.clone(), pages: Pages::new(&Secret::new("pages")) };
        Self { app: App::new(environment), table }
    }

    /// The events in the outbox of a partition, oldest first: type, revision and whether it is a tombstone.
    pub(crate) async fn outbox(&self, pk: &str) -> Vec<(String, u64, bool)> {
        let slice = self.table.list::<shared::event::Envelope>(pk, "OUT#", None, 200).await.unwrap();
        slice.rows.into_iter().map(|event| (event.kind, event.revision, event.data == "null")).collect()
    }

    /// What the operator sends, and is answered.
    pub(crate) async fn operate(&self, payload: Value) -> Value {
        handle(&self.app, &payload.to_string(), "l1").await.unwrap()
    }

    /// What the authorizer says of a token.
    pub(crate) async fn authorize(&self, header: Option<&str>, now_ms: i64) -> Value {
        let headers = header.map_or_else(|| json!({}), |header| json!({ "authorization": header }));
        let payload = json!({ "version": "2.0", "type": "REQUEST", "routeArn": "arn", "headers": headers, "requestContext": { "requestId": "r1", "timeEpoch": now_ms } });
        let answer = handle(&self.app, &payload.to_string(), "l1").await.unwrap();
        assert_eq!(answer["isAuthorized"], true);
        answer["context"].clone()
    }

    /// A call with a token, through the authorizer.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        more: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let header = (!token.is_empty()).then(|| format!("Bearer {token}"));
        let authorizer = self.authorize(header.as_deref(), NOW_MS).await;
        self.send(method, path, authorizer, NOW_MS, more, body.map(|body| body.to_string()).as_deref()).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        authorizer: Value,
        now_ms: i64,
        more: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut headers =
            json!({ "host": "api.example", "x-forwarded-proto": "http", "content-type": "application/json" });
        for (name, value) in more {
            headers[*name] = json!(value);
        }
        let payload = json!({
            "version": "2.0", "routeKey": "ANY /v1/{proxy+}", "rawPath": path, "rawQueryString": query, "headers": headers, "body": body, "isBase64Encoded": false,
            "requestContext": { "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "test" }, "requestId": "r1",
                "timeEpoch": now_ms, "domainName": "api.example", "stage": "$default", "authorizer": { "lambda": authorizer } },
        });
        let answer = handle(&self.app, &payload.to_string(), "l1").await.unwrap();
        let body = answer["body"].as_str().unwrap_or_default();
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["headers"].clone(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}
