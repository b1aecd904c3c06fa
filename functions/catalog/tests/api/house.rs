//! The function in a house of its own: its real table on the local DynamoDB, and a door that hears what it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use catalog::App;
use serde_json::{Value, json};
use shared::chassis::table::Table;
use shared::chassis::{Environment, door, handle};
use shared::event::Envelope;
use shared::id::OrganizationId;
use shared::page::Pages;
use shared::principal::{Party, Principal, Role};
use shared::seal::Secret;

const NOW_MS: i64 = 1_800_000_000_000;

/// What the door heard, and whether it is there at all.
#[derive(Clone, Default)]
pub(crate) struct Door {
    heard: Arc<Mutex<Vec<Envelope>>>,
    away: Arc<AtomicBool>,
}

impl Door {
    pub(crate) fn goes_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it heard since it was last asked.
    pub(crate) fn heard(&self) -> Vec<Envelope> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    async fn serve(self, listener: tokio::net::TcpListener, secret: Secret) {
        let hear = move |headers: http::HeaderMap, body: bytes::Bytes| async move {
            if self.away.load(Ordering::SeqCst) {
                return http::StatusCode::SERVICE_UNAVAILABLE;
            }
            match door::heard(&secret, &headers, &body) {
                Ok(events) => {
                    self.heard.lock().unwrap().extend(events);
                    http::StatusCode::OK
                }
                Err(_) => http::StatusCode::FORBIDDEN,
            }
        };
        let limit = axum::extract::DefaultBodyLimit::max(6_000_000);
        let router = axum::Router::new().route("/v1/gateway/events", axum::routing::post(hear)).layer(limit);
        axum::serve(listener, router).await.unwrap();
    }
}

/// The function, its table and its door.
pub(crate) struct House {
    app: App,
    pub(crate) door: Door,
    pub(crate) table: Table,
    address: String,
    _data: tempfile::TempDir,
}

/// Someone who calls.
#[derive(Clone)]
pub(crate) struct Someone {
    pub(crate) principal: Option<Principal>,
}

pub(crate) fn member(slug: &str, role: Role) -> Someone {
    let organization = Party { id: OrganizationId::new(), slug: slug.parse().unwrap() };
    Someone { principal: Some(Principal { organization, actor: "token".into(), role, scopes: None }) }
}

pub(crate) fn anyone() -> Someone {
    Someone { principal: None }
}

/// An answer, as the caller gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u64) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// The problem type's name and the fields it names.
    #[track_caller]
    pub(crate) fn problem(&self) -> (String, Vec<String>) {
        let json = self.json();
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{json}");
        assert_eq!(json["status"], self.status);
        let kind = json["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let fields = json["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        (kind, fields)
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let database = dynoxide::Database::new(&data.path().join("table.sqlite").to_string_lossy()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        // A runtime of its own: the database works on the thread that asks it.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let listener = listener.into_std().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await.unwrap();
            });
        });
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let attribute = |name| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        client
            .create_table()
            .table_name("catalog")
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("pk"))
            .attribute_definitions(attribute("sk"))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range))
            .send()
            .await
            .unwrap();
        let table = Table { client, name: "catalog".into() };
        let door = Door::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(door.clone().serve(listener, Secret::new("door")));
        let environment = Environment { table: table.clone(), pages: Pages::new(&Secret::new("page")) };
        Self { app: App::new(environment, &Secret::new("door")), door, table, address, _data: data }
    }

    /// A call as API Gateway hands it over: text as text, everything else in base64.
    pub(crate) async fn call(
        &self,
        who: &Someone,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (state, principal) = match &who.principal {
            Some(principal) => ("principal", serde_json::to_string(principal).unwrap()),
            None => ("anonymous", String::new()),
        };
        let mut all: BTreeMap<&str, &str> = headers.iter().copied().collect();
        all.entry("content-type").or_insert("application/json");
        all.insert("x-forwarded-proto", "http");
        all.insert("authorization", "Bearer dwt_x");
        let text = std::str::from_utf8(body).ok();
        let payload = json!({
            "version": "2.0", "routeKey": "ANY /v1/catalog/{proxy+}", "rawPath": path, "rawQueryString": query, "headers": all,
            "requestContext": {
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "requestId": "request", "timeEpoch": NOW_MS, "domainName": self.address, "stage": "$default",
                "authorizer": {"lambda": {"state": state, "principal": principal}}
            },
            "body": text.map_or_else(|| STANDARD.encode(body), str::to_owned), "isBase64Encoded": text.is_none()
        });
        let answer = handle(&self.app, &payload.to_string(), "lambda").await.unwrap();
        assert!(answer.to_string().len() < 6 * 1024 * 1024, "an answer of Lambda holds 6 MB");
        let text = answer["body"].as_str().unwrap_or_default();
        let body =
            if answer["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.as_bytes().to_vec() };
        let headers = answer["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        Answer { status: answer["statusCode"].as_u64().unwrap(), headers, body }
    }

    pub(crate) async fn get(&self, who: &Someone, target: &str) -> Answer {
        self.call(who, "GET", target, &[], b"").await
    }

    pub(crate) async fn post(&self, who: &Someone, target: &str, body: &Value) -> Answer {
        self.call(who, "POST", target, &[], body.to_string().as_bytes()).await
    }

    pub(crate) async fn upload(&self, who: &Someone, api: &str, version: &str, body: &[u8]) -> Answer {
        self.call(
            who,
            "POST",
            &format!("/v1/catalog/apis/{api}/versions?version={version}"),
            &[("content-type", "application/octet-stream")],
            body,
        )
        .await
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, who: &Someone, target: &str, size: u16) -> Vec<Value> {
        let (mut items, mut token) = (Vec::new(), None);
        let separator = if target.contains('?') { '&' } else { '?' };
        loop {
            let page = match &token {
                None => format!("{target}{separator}page_size={size}"),
                Some(token) => format!("{target}{separator}page_size={size}&page_token={token}"),
            };
            let page = self.get(who, &page).await.is(200);
            let here = page["items"].as_array().unwrap();
            assert!(here.len() <= usize::from(size));
            items.extend(here.iter().cloned());
            match page["next_page_token"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// The sort keys of a partition that begin so.
    pub(crate) async fn rows(&self, pk: &str, prefix: &str) -> Vec<String> {
        let answer = self
            .table
            .client
            .query()
            .table_name("catalog")
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.into()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.into()))
            .send()
            .await
            .unwrap();
        answer.items().iter().map(|item| item["sk"].as_s().unwrap().clone()).collect()
    }

    /// The types of the events in an outbox, in the order in which they were written.
    pub(crate) async fn outbox(&self, pk: &str) -> Vec<Envelope> {
        let mut found = Vec::new();
        let slice = self.table.list::<Envelope>(pk, "OUT#", None, 200).await.unwrap();
        found.extend(slice.rows);
        found
    }
}
