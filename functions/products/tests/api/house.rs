//! The function as it runs: its real router and its real store, on a real table, fed with API Gateway's payloads.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use products::App;
use serde_json::{Value, json};
use shared::chassis::table::Table;
use shared::chassis::{Environment, handle};
use shared::page::Pages;
use shared::seal::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// When every call comes, unless it says otherwise.
pub(crate) const NOW_MS: i64 = 1_769_860_800_000;

/// The function on a table of its own.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) table: Table,
    catalog: String,
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
        Self { app: App::new(environment), table, catalog: catalog().await }
    }

    /// The events in the outbox of a partition, oldest first: type, revision and whether it is a tombstone.
    pub(crate) async fn outbox(&self, pk: &str) -> Vec<(String, u64, bool)> {
        let slice = self.table.list::<shared::event::Envelope>(pk, "OUT#", None, 200).await.unwrap();
        slice.rows.into_iter().map(|event| (event.kind, event.revision, event.data == "null")).collect()
    }

    /// A call of somebody with a role in an organization; of nobody in particular with an empty organization.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        who: (&str, &str),
        more: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let (organization, role) = who;
        let authorizer = if organization.is_empty() {
            json!({ "state": "anonymous", "principal": "" })
        } else {
            let id = format!("org_01h455vb4pex5vsknk084sn{:0>3}", organization.len());
            json!({ "state": "principal", "principal": json!({ "organization": { "id": id, "slug": organization }, "actor": "test", "role": role }).to_string() })
        };
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
                "timeEpoch": now_ms, "domainName": self.catalog, "stage": "$default", "authorizer": { "lambda": authorizer } },
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

/// Answers like `catalog`, which knows the APIs `weather` and `maps`.
async fn catalog() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches("/v1/catalog/apis/").to_owned();
            let (status, body) = match name.as_str() {
                "weather" | "api_01h455vb4pex5vsknk084sn02q" => {
                    ("200 OK", json!({"id": "api_01h455vb4pex5vsknk084sn02q", "slug": "weather", "name": "more"}))
                }
                "maps" => ("200 OK", json!({"id": "api_01h455vb4pex5vsknk084sn02r", "slug": "maps"})),
                _ => (
                    "404 Not Found",
                    serde_json::to_value(shared::problem::Problem::not_found().document(None)).unwrap(),
                ),
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}
