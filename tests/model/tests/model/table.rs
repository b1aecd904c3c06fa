//! The table: dynoxide in this process, behind a client whose every request waits until the test says what becomes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{AsyncSleep, BehaviorVersion, Region, Sleep, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::auth::AuthSchemeId;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};
use shared::chassis::table::Table;
use tokio::sync::oneshot;

const NAME: &str = "own";
/// What a sandbox "asks" when it forwards a call to the upstream: a place to stop at, like a request to the table.
pub(crate) const UPSTREAM: &str = "Upstream";

/// An answer of the table: a status and a body.
pub(crate) type Answer = (u16, String);

/// A request that waits, or that is on its way although nobody waits for its answer any more.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The operation, such as `UpdateItem`.
    pub(crate) operation: String,
    /// Its body, a JSON text.
    pub(crate) body: String,
    /// The grant that it writes, if it writes one.
    grant: Option<String>,
    /// The answer, if the request was applied already.
    pub(crate) applied: Option<Answer>,
    answer: oneshot::Sender<Result<Answer, Lost>>,
}

/// No answer came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost;

impl Waiting {
    /// Lets the one who waits go on.
    pub(crate) fn answer(self, answer: Result<Answer, Lost>) {
        // Whoever was killed hears nothing.
        let _ = self.answer.send(answer);
    }

    /// Whoever waits gives up; the request is on its way all the same.
    pub(crate) fn lose(self) -> Self {
        let (nobody, _) = oneshot::channel();
        // Whoever was killed hears nothing.
        let _ = self.answer.send(Err(Lost));
        Self { answer: nobody, ..self }
    }
}

/// The grant that a request writes, if it writes one.
fn grant(operation: &str, body: &str) -> Option<String> {
    let part = match operation {
        "UpdateItem" => "Key",
        "PutItem" => "Item",
        _ => return None,
    };
    let body: Value = serde_json::from_str(body).unwrap();
    let key = &body[part];
    (key["sk"]["S"] == shared::meter::GRANT_SK).then(|| key["pk"]["S"].as_str().unwrap().to_owned())
}

/// Who waits for the table, by the number of the actor: everyone waits for one answer at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<BTreeMap<usize, Waiting>>>);

impl Gate {
    pub(crate) fn waiting(&self) -> MutexGuard<'_, BTreeMap<usize, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, actor: usize, operation: String, body: String) -> oneshot::Receiver<Result<Answer, Lost>> {
        let (answer, wait) = oneshot::channel();
        let grant = grant(&operation, &body);
        let before = self.waiting().insert(actor, Waiting { operation, body, grant, applied: None, answer });
        assert!(before.is_none(), "an actor waits for one answer at a time");
        wait
    }

    /// The time that an upstream takes, for a call that is counted there: a window's end and a period's name.
    pub(crate) async fn upstream(&self, actor: usize, counted: (i64, &str)) {
        let _ = self.wait(actor, UPSTREAM.to_owned(), json!(counted).to_string()).await;
    }
}

/// The way from one actor to the table.
#[derive(Clone, Debug)]
struct Wire {
    actor: usize,
    gate: Gate,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        let wait = self.gate.wait(self.actor, operation.unwrap().to_owned(), body);
        HttpConnectorFuture::new(async move {
            match wait.await {
                Ok(Ok((status, body))) => Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))),
                Ok(Err(Lost)) | Err(_) => Err(ConnectorError::timeout("no answer came".into())),
            }
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The client's clock stands: a try ends when the test says so.
#[derive(Debug)]
struct Never;

impl AsyncSleep for Never {
    fn sleep(&self, _: std::time::Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}

/// The database, and a client for each actor.
pub(crate) struct Base {
    database: Database,
    /// The image of the grant that was written last.
    last: Mutex<Option<(String, Value)>>,
    /// Who waits.
    pub(crate) gate: Gate,
    /// The table as each actor has it.
    pub(crate) tables: Vec<Table>,
}

impl Base {
    /// An empty table, for so many actors.
    pub(crate) fn new(actors: usize) -> Self {
        let database = Database::memory().unwrap();
        let keys = [("pk", "HASH"), ("sk", "RANGE")];
        let create = json!({
            "TableName": NAME, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": keys.map(|(name, _)| json!({"AttributeName": name, "AttributeType": "S"})),
            "KeySchema": keys.map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind})),
        });
        database.create_table(serde_json::from_value(create).unwrap()).unwrap();
        let gate = Gate::default();
        let table = |actor| {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("eu-central-1"))
                // Nobody checks signatures here, and they take time.
                .allow_no_auth()
                .auth_scheme_preference([AuthSchemeId::from("noAuth")])
                .endpoint_url("http://table.invalid")
                .http_client(Wire { actor, gate: gate.clone() })
                .sleep_impl(Never)
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                // A client that tries again by itself would hide what the test does to a request.
                .retry_config(RetryConfig::disabled())
                .build();
            Table { client: aws_sdk_dynamodb::Client::from_conf(config), name: NAME.into() }
        };
        Self { tables: (0..actors).map(table).collect(), database, last: Mutex::default(), gate }
    }

    /// Applies a request. If it changed a grant, answers its old and its new image too.
    pub(crate) fn apply(&self, request: &Waiting) -> (Answer, Option<(Option<Value>, Value)>) {
        let answer = self.answer(&request.operation, &request.body);
        let changed = request.grant.as_deref().filter(|_| answer.0 == 200);
        (answer, changed.map(|grant| self.change(grant)))
    }

    /// Applies a request.
    pub(crate) fn answer(&self, operation: &str, body: &str) -> Answer {
        match self.run(operation, body) {
            Ok(answer) => (200, answer),
            Err(
                error @ (DynoxideError::ConditionalCheckFailedException(..)
                | DynoxideError::TransactionCanceledException(..)),
            ) => (error.status_code(), error.to_json()),
            // Whatever else the table refuses is a wrong expression.
            Err(error) => panic!("{error}: {body}"),
        }
    }

    fn change(&self, id: &str) -> (Option<Value>, Value) {
        let new = self.grant(id).unwrap();
        let mut last = self.last.lock().unwrap();
        let old = last.replace((id.to_owned(), new.clone()));
        (old.filter(|(grant, _)| grant == id).map(|(_, old)| old), new)
    }

    /// A grant's image as plain JSON.
    pub(crate) fn grant(&self, id: &str) -> Option<Value> {
        let key = json!({"pk": {"S": id}, "sk": {"S": shared::meter::GRANT_SK}});
        let answer = self.run("GetItem", &json!({"TableName": NAME, "Key": key, "ConsistentRead": true}).to_string());
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        answer.get("Item").map(|item| plain(&json!({ "M": item })))
    }

    /// The rows of a grant whose sort keys begin so, as plain JSON.
    pub(crate) fn rows(&self, id: &str, prefix: &str) -> Vec<Value> {
        let query = json!({
            "TableName": NAME, "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": id}, ":prefix": {"S": prefix}},
        });
        let answer: Value = serde_json::from_str(&self.run("Query", &query.to_string()).unwrap()).unwrap();
        answer["Items"].as_array().unwrap().iter().map(|item| plain(&json!({ "M": item }))).collect()
    }

    /// Gives a grant these keys, as if they had been told, and answers its image.
    pub(crate) fn prepare(&self, id: &str, keys: impl Iterator<Item = (u32, i64)>) -> Value {
        let keys: Value = keys.map(|(key, end)| (key.to_string(), json!({"N": end.to_string()}))).collect();
        let update = json!({
            "TableName": NAME, "Key": {"pk": {"S": id}, "sk": {"S": shared::meter::GRANT_SK}},
            "UpdateExpression": "SET #v = #v + :one, #k = :k", "ExpressionAttributeNames": {"#k": "k", "#v": "v"},
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":k": {"M": keys}},
        });
        self.run("UpdateItem", &update.to_string()).unwrap();
        self.change(id).1
    }

    fn run(&self, operation: &str, body: &str) -> Result<String, DynoxideError> {
        macro_rules! operations {
            ($($name:literal => $method:ident),* $(,)?) => {
                match operation {
                    $($name => self
                        .database
                        .$method(serde_json::from_str(body).unwrap())
                        .map(|answer| serde_json::to_string(&answer).unwrap()),)*
                    _ => panic!("{operation} is not played here"),
                }
            };
        }
        operations! {
            "GetItem" => get_item,
            "PutItem" => put_item,
            "UpdateItem" => update_item,
            "Query" => query,
            "TransactWriteItems" => transact_write_items,
        }
    }
}

/// A value as DynamoDB writes it, as plain JSON.
fn plain(value: &Value) -> Value {
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), inner) {
        ("N", Value::String(number)) => json!(number.parse::<i64>().unwrap()),
        ("M", Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        ("L", Value::Array(list)) => list.iter().map(plain).collect(),
        (_, inner) => inner.clone(),
    }
}
