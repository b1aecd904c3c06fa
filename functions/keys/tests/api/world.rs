//! The world around the function: its real table (dynoxide over HTTP), and the other functions, played as far as it asks them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use axum::Json;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use keys::App;
use serde_json::Value;
use shared::chassis::table::Table;
use shared::chassis::{Context, Environment, Function as _, Request};
use shared::id::OrganizationId;
use shared::page::Pages;
use shared::principal::{Authentication, Party, Principal, Role};
use shared::seal::{Secret, sha256_hex};
use shared::time::Time;

/// What the door was told, and whether it listens.
#[derive(Clone, Default)]
pub(crate) struct Door {
    told: Arc<Mutex<Vec<Value>>>,
    deaf: Arc<AtomicBool>,
}

impl Door {
    fn hear(&self, events: Vec<Value>) -> StatusCode {
        if self.deaf.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        self.told.lock().unwrap().extend(events);
        StatusCode::OK
    }

    /// The door stops or begins to listen.
    pub(crate) fn deafen(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// What it was told since it was last asked: the states.
    pub(crate) fn told(&self) -> Vec<Value> {
        std::mem::take(&mut *self.told.lock().unwrap())
            .into_iter()
            .map(|event| serde_json::from_str(event["data"].as_str().unwrap()).unwrap())
            .collect()
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The last part of the problem's type.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status, self.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:doorway:problem:"))
    }

    /// The id of what it shows.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// The function in its world.
pub(crate) struct World {
    app: App,
    base_url: String,
    client: Client,
    pub(crate) door: Door,
    pub(crate) consumer: Party,
    pub(crate) provider: Party,
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

pub(crate) fn party(slug: &str) -> Party {
    Party { id: OrganizationId::new(), slug: slug.parse().unwrap() }
}

impl World {
    /// `others` are the functions that it asks, besides the door.
    pub(crate) async fn new(others: impl FnOnce(&Party, &Party) -> axum::Router) -> Self {
        let database = dynoxide::Database::memory().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint)
            .build();
        let client = Client::from_conf(config);
        let mut create = client.create_table().table_name("own").billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            create = create
                .attribute_definitions(
                    AttributeDefinition::builder()
                        .attribute_name(name)
                        .attribute_type(ScalarAttributeType::S)
                        .build()
                        .unwrap(),
                )
                .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap());
        }
        create.send().await.unwrap();
        let table = Table { client: client.clone(), name: "own".to_owned() };
        let (consumer, provider, door) = (party("acme"), party("nimbus"), Door::default());
        let ear = door.clone();
        let router = others(&consumer, &provider)
            .route("/v1/gateway/events", post(|Json(events): Json<Vec<Value>>| async move { ear.hear(events) }));
        let base_url = serve(router).await;
        let app = App::new(Environment { table, pages: Pages::new(&Secret::new("pages")) }, Secret::new("door"));
        Self { app, base_url, client, door, consumer, provider }
    }

    /// The events in the outbox: type, id and revision, in the order in which they were written.
    pub(crate) async fn outbox(&self) -> Vec<(String, String, String)> {
        let items = self.client.scan().table_name("own").send().await.unwrap().items.unwrap();
        let text = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>, name: &str| {
            item[name].as_s().or_else(|value| value.as_n().map_err(|_| value)).unwrap().clone()
        };
        let mut events: Vec<_> = items
            .iter()
            .filter(|item| text(item, "sk").starts_with("OUT#"))
            .map(|item| (text(item, "sk"), text(item, "type"), text(item, "id"), text(item, "revision")))
            .collect();
        events.sort();
        events.into_iter().map(|(_, kind, id, revision)| (kind, id, revision)).collect()
    }

    /// One call. `headers` are `if-match` and `idempotency-key`.
    pub(crate) async fn call(
        &self,
        by: (&Party, Role),
        line: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let header =
            |name: &str| headers.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        let principal = Principal { organization: by.0.clone(), actor: "token".into(), role: by.1, scopes: None };
        let mut request = http::Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        if let Some(revision) = header("if-match") {
            request = request.header(IF_MATCH, revision);
        }
        let mut request: Request = request.body(Bytes::from(body.clone())).unwrap();
        request.extensions_mut().insert(Context {
            request_id: "r".into(),
            now: Time::from_ms(1_800_000_000_000),
            source_ip: String::new(),
            base_url: self.base_url.clone(),
            bearer: Some("dwt_x".into()),
            authentication: Authentication::Principal(Box::new(principal)),
            idempotency: header("idempotency-key").map(|key| (key, sha256_hex(format!("{line}{body}").as_bytes()))),
        });
        let response = self.app.http(request).await;
        let etag = response.headers().get(ETAG).map(|etag| etag.to_str().unwrap().to_owned()).unwrap_or_default();
        Answer {
            status: response.status().as_u16(),
            etag,
            body: serde_json::from_slice(response.body()).unwrap_or_default(),
        }
    }
}
