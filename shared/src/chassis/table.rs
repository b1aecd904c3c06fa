//! A function's own table: one client, built before the first event, and the few reads that every function needs.
//!
//! Every table has the string keys `pk` and `sk`, and `ttl` (seconds since 1970). Whether something has expired is judged
//! by its value, never by its absence: DynamoDB removes expired items late.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::environment::{Missing, variable};
use super::extract::Idempotency;
use super::reply::Reply;
use super::transaction::Transaction;
use super::web::ForSdk;
use crate::problem::{Kind, Problem};

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// Why the table did not do what was asked. A failed condition is not among it: that is an outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Busy, throttled or away: trying again helps.
    #[error("the table is not available: {0}")]
    Unavailable(String),
    /// A row that cannot be read or written: a fault of ours.
    #[error("a row cannot be read or written: {0}")]
    Corrupt(#[from] serde_dynamo::Error),
    /// The `Idempotency-Key` came before, with another request.
    #[error("the idempotency key belongs to another request")]
    IdempotencyConflict,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::unavailable(cause),
            StoreError::Corrupt(error) => Self::internal(error),
            StoreError::IdempotencyConflict => Self::new(
                Kind::IdempotencyConflict,
                "This `Idempotency-Key` came before with another request. Use a new key for a new request.",
            )
            .field("/header/idempotency-key", "belongs to another request"),
        }
    }
}

impl From<StoreError> for super::EventError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(error) => Self::NotUnderstood(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static, R: std::fmt::Debug + Send + Sync + 'static> From<SdkError<E, R>>
    for StoreError
{
    fn from(error: SdkError<E, R>) -> Self {
        Self::Unavailable(DisplayErrorContext(&error).to_string())
    }
}

/// A row: its key, and a state whose fields become its attributes.
#[derive(Clone, Debug)]
pub struct Row(pub(super) Item);

impl Row {
    /// A row of this state.
    pub fn new<T: Serialize>(pk: impl Into<String>, sk: impl Into<String>, state: &T) -> Result<Self, StoreError> {
        let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(state)?;
        item.insert("pk".into(), AttributeValue::S(pk.into()));
        item.insert("sk".into(), AttributeValue::S(sk.into()));
        Ok(Self(item))
    }

    /// The row as the SDK has it.
    #[must_use]
    pub fn into_item(self) -> Item {
        self.0
    }

    /// Removed some time after this many seconds since 1970.
    #[must_use]
    pub fn ttl(mut self, seconds: i64) -> Self {
        self.0.insert("ttl".into(), AttributeValue::N(seconds.to_string()));
        self
    }
}

/// A piece of a query's result.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on: the position of the last row, if there may be more.
    pub position: Option<String>,
}

/// How long the first connection may take; a call that finds none opens its own.
const CONNECT: Duration = Duration::from_secs(1);

/// Always the same endpoint: it depends on the region alone.
#[derive(Debug)]
struct Fixed(Endpoint);

impl ResolveEndpoint for Fixed {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

/// Where DynamoDB is, as the SDK finds it.
async fn endpoint(region: &str, url: Option<String>) -> Option<Endpoint> {
    let params = Params::builder().region(region.to_owned()).set_endpoint(url).build().ok()?;
    DefaultResolver::new().resolve_endpoint(&params).await.ok()
}

/// A function's own table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The one client.
    pub client: Client,
    /// The table's physical name.
    pub name: String,
}

impl Table {
    /// Opens the table with the sandbox's credentials. The endpoint is AWS's own unless the variables that every AWS SDK
    /// reads (`AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL`) say otherwise.
    ///
    /// It also opens the first connection, because before the first event a sandbox has its whole processor, and afterwards
    /// only as much as its memory earns: a handshake is most of what a first call takes on a small one.
    pub async fn open(name: String) -> Result<Self, Missing> {
        let region = variable("AWS_REGION")?;
        let url = variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|_| variable("AWS_ENDPOINT_URL")).ok();
        let endpoint = endpoint(&region, url).await.ok_or(Missing("AWS_REGION"))?;
        let sdk = ForSdk::default();
        sdk.connect(endpoint.url(), CONNECT).await;
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(credentials)
            // The credentials of a sandbox never change, and bodies are whole in memory.
            .identity_cache(IdentityCache::no_cache())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_resolver(Fixed(endpoint))
            .http_client(sdk)
            .retry_config(RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(50)))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build());
        Ok(Self { client: Client::from_conf(config.build()), name })
    }

    /// One row, read consistently.
    pub async fn get<T: DeserializeOwned>(
        &self,
        pk: impl Into<String>,
        sk: impl Into<String>,
    ) -> Result<Option<T>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(pk.into()))
            .key("sk", AttributeValue::S(sk.into()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(answer.item.map(serde_dynamo::aws_sdk_dynamodb_1::from_item).transpose()?)
    }

    /// The rows of a partition whose sort key begins with a prefix, in order, read consistently. `after` is a position that
    /// an earlier slice gave.
    pub async fn list<T: DeserializeOwned>(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Slice<T>, StoreError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.name)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true)
            .limit(i32::from(limit));
        request = if prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            request
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        };
        if let Some(after) = after {
            let key: HashMap<String, String> =
                serde_json::from_str(after).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            request = request.set_exclusive_start_key(Some(
                key.into_iter().map(|(name, value)| (name, AttributeValue::S(value))).collect(),
            ));
        }
        let answer = request.send().await?;
        let position = answer.last_evaluated_key.map(|key| {
            let key: std::collections::BTreeMap<String, String> = key
                .into_iter()
                .filter_map(|(name, value)| value.as_s().ok().map(|value| (name, value.clone())))
                .collect();
            serde_json::to_string(&key).unwrap_or_default()
        });
        let rows = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(serde_dynamo::aws_sdk_dynamodb_1::from_item)
            .collect::<Result<_, _>>()?;
        Ok(Slice { rows, position })
    }

    /// Keeps the newest state of something that another function owns: writes the row unless one of the same or a later
    /// `revision` is there. The state must have the attribute `revision`. Answers whether it was news.
    pub async fn project(&self, row: Row, revision: u64) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row.0))
            .condition_expression("attribute_not_exists(pk) OR revision < :revision")
            .expression_attribute_values(":revision", AttributeValue::N(revision.to_string()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What a repeated request was answered the first time, if it was.
    pub async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, StoreError> {
        let Some(idempotency) = idempotency else { return Ok(None) };
        match self.get::<Remembered>(format!("IDEM#{}", idempotency.scope), "IDEM").await? {
            Some(remembered) => remembered.replay(idempotency),
            None => Ok(None),
        }
    }

    /// Begins an atomic write of up to 100 rows.
    #[must_use]
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction::new(self)
    }
}

/// The row of an `Idempotency-Key`.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Remembered {
    pub(super) fingerprint: String,
    pub(super) reply: Reply,
    pub(super) expires_s: i64,
}

impl Remembered {
    pub(super) fn replay(self, idempotency: &Idempotency) -> Result<Option<Reply>, StoreError> {
        if self.expires_s <= idempotency.now.seconds() {
            return Ok(None);
        }
        if self.fingerprint != idempotency.fingerprint {
            return Err(StoreError::IdempotencyConflict);
        }
        Ok(Some(self.reply.replayed()))
    }
}

/// What every conditional write asks for: the loser learns why without another read.
pub const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;
