//! A house for one function under test: its real router and its real store on a real table (`dynoxide` over HTTP), fed with API
//! Gateway's payloads. Its neighbours are played: the door, which every house has, and whatever else a test brings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // It is all tests.
#![allow(clippy::missing_panics_doc)] // Panicking is how a test fails.

mod answer;
mod documents;
mod door;
mod table;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared::chassis::table::Table;
use shared::chassis::{Environment, Function, handle};
use shared::event::Envelope;
use shared::page::Pages;
use shared::principal::{Party, Principal, Role};
use shared::problem::Problem;
use shared::seal::Secret;

pub use answer::Answer;
pub use documents::document_is_current;
pub use door::{Door, door_secret};

/// A function on a table of its own, among its neighbours.
pub struct House<A> {
    /// The function.
    pub app: A,
    /// Its table.
    pub table: Table,
    /// The door that it tells.
    pub door: Door,
    /// When every call comes: 2027-01-15T08:00:00Z unless a test says otherwise.
    pub now_ms: i64,
    address: String,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// Nobody in particular.
    Anyone,
    /// Somebody with a role in the organization of this slug; see [`party`].
    Member(&'a str, Role),
    /// Whomever this context tells of, as an authorizer hands it on.
    Found(&'a Value),
}

/// The organization of a slug: always with the same id.
pub fn party(slug: &str) -> Party {
    let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
    let number = slug.bytes().fold(7_usize, |number, byte| (number * 31 + usize::from(byte)) % 32_768);
    let end: String =
        [number / 1_024, number / 32 % 32, number % 32].map(|digit| char::from(alphabet[digit])).iter().collect();
    Party { id: format!("org_01h455vb4pex5vsknk084sn{end}").parse().unwrap(), slug: slug.parse().unwrap() }
}

/// A neighbour's answer to who asks for what does not exist.
pub fn not_found() -> (http::StatusCode, Json<Value>) {
    (http::StatusCode::NOT_FOUND, Json(serde_json::to_value(Problem::not_found().document(None)).unwrap()))
}

/// A request's body.
pub struct Body(Vec<u8>);

impl From<Option<Value>> for Body {
    fn from(json: Option<Value>) -> Self {
        Self(json.map(|json| json.to_string().into_bytes()).unwrap_or_default())
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Body {
    fn from(bytes: &T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

impl<A: Function> House<A> {
    /// With a function that asks no other one.
    pub async fn new(app: impl FnOnce(Environment) -> A) -> Self {
        Self::among(axum::Router::new(), app).await
    }

    /// With the functions that it asks.
    pub async fn among(neighbours: axum::Router, app: impl FnOnce(Environment) -> A) -> Self {
        let (table, door) = (table::new().await, Door::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = neighbours.merge(door.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let environment = Environment { table: table.clone(), pages: Pages::new(&Secret::new("pages")) };
        Self { app: app(environment), table, door, now_ms: 1_800_000_000_000, address }
    }

    /// Any payload, and what the function answers it.
    pub async fn send(&self, payload: &Value) -> Value {
        let answer = handle(&self.app, &payload.to_string(), "lambda").await.unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    /// A call (`GET /v1/…?…`) as API Gateway hands it over: text as text, everything else in base64.
    pub async fn call(&self, who: Who<'_>, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let Body(body) = body.into();
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let authorizer = match who {
            Who::Anyone => json!({"state": "anonymous", "principal": ""}),
            Who::Member(slug, role) => {
                let principal = Principal { organization: party(slug), actor: "token".into(), role, scopes: None };
                json!({"state": "principal", "principal": serde_json::to_string(&principal).unwrap()})
            }
            Who::Found(context) => context.clone(),
        };
        let mut all: BTreeMap<&str, &str> = headers.iter().copied().collect();
        all.entry("content-type").or_insert("application/json");
        all.extend([("x-forwarded-proto", "http"), ("authorization", "Bearer dwt_x")]);
        let text = std::str::from_utf8(&body).ok();
        let payload = json!({
            "version": "2.0", "routeKey": "ANY /v1/{proxy+}", "rawPath": path, "rawQueryString": query, "headers": all,
            "requestContext": {
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "requestId": "request", "timeEpoch": self.now_ms, "domainName": self.address, "stage": "$default",
                "authorizer": {"lambda": authorizer}
            },
            "body": text.map_or_else(|| STANDARD.encode(&body), str::to_owned), "isBase64Encoded": text.is_none()
        });
        let answer = self.send(&payload).await;
        assert!(answer.to_string().len() < 6 * 1024 * 1024, "an answer of Lambda holds 6 MB");
        Answer::new(&answer)
    }

    /// Reads something.
    pub async fn get(&self, who: Who<'_>, target: &str) -> Answer {
        self.call(who, &format!("GET {target}"), &[], None).await
    }

    /// Sends JSON.
    pub async fn post(&self, who: Who<'_>, target: &str, body: &Value) -> Answer {
        self.call(who, &format!("POST {target}"), &[], Some(body.clone())).await
    }

    /// Every item of a list, page by page.
    pub async fn all(&self, who: Who<'_>, target: &str, size: u16) -> Vec<Value> {
        let (mut items, mut token) = (Vec::new(), String::new());
        let separator = if target.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(who, &format!("{target}{separator}page_size={size}{token}")).await.is(200);
            let here = page["items"].as_array().unwrap();
            assert!(here.len() <= usize::from(size));
            items.extend(here.iter().cloned());
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => return items,
            }
        }
    }

    /// Has everything told again, and holds it against all that was told: of every resource the newest event, once.
    pub async fn tells_all_again(&self) {
        let newest = |told: Vec<Envelope>| {
            let mut newest: BTreeMap<(String, String), Envelope> = BTreeMap::new();
            for event in told {
                let kept = newest.entry((event.kind.clone(), event.id.clone())).or_insert_with(|| event.clone());
                if kept.revision < event.revision {
                    *kept = event;
                }
            }
            newest.into_values().collect::<Vec<_>>()
        };
        let told = newest(self.outbox("").await);
        let mut events = 0;
        for shard in 0..16 {
            let mut after = Value::Null;
            loop {
                let answer = self.send(&json!({"schedule": "republish", "shard": shard, "after": after})).await;
                events += answer["events"].as_u64().unwrap();
                after = answer["after"].clone();
                if after.is_null() {
                    break;
                }
            }
        }
        let again = self.outbox("AGAIN#").await;
        assert_eq!(usize::try_from(events).unwrap(), again.len());
        assert_eq!(again.len(), told.len(), "each of them once");
        assert_eq!(newest(again), told);
        assert!(!told.is_empty());
    }

    /// The events in the outboxes of the partitions whose keys begin so, in the order in which they were written.
    pub async fn outbox(&self, pk: &str) -> Vec<Envelope> {
        let scan = self.table.client.scan().table_name(&self.table.name);
        let scan = scan
            .filter_expression("begins_with(sk, :sk)")
            .expression_attribute_values(":sk", AttributeValue::S("OUT#".into()));
        let mut items = scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
        items.retain(|item| item["pk"].as_s().unwrap().starts_with(pk));
        items.sort_by_key(|item| item["sk"].as_s().unwrap().clone());
        serde_dynamo::aws_sdk_dynamodb_1::from_items(items).unwrap()
    }
}
