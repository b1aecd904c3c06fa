//! The gateway's table: the only place that names the SDK.
//!
//! | pk | sk | what |
//! | --- | --- | --- |
//! | subscription id | `G` | the grant |
//! | subscription id | `T#{revision}` | terms and since when they hold, immutable |
//! | subscription id | `S` | what a seal says of the subscription |
//! | subscription id | `SEAL#{year}-{month}` | a month's seal, immutable |
//! | subscription id | `OUT#{uuid}` | outbox |
//! | subscription id | `R#{hour}#{writer}` | calls that one sandbox refused in one hour |
//! | `L#{organization}#{api}` | `L#{hour}#{version}.{part}#{writer}` | how long calls took in one sandbox in one hour |
//! | `K#{sha256}` | `K` | which grant a key opens, immutable |
//! | `A#{organization}/{api}` | `A` | an API: upstream and current version |
//! | the same | `C` | its upstream credentials, sealed |
//! | `V#{version}` | `P#{part}` | a part of a version's routes, immutable |
//! | `GRANTS#{shard}` | subscription id | the list of all grants, for the sweep |

mod credentials;
mod seals;
mod timings;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};
use shared::chassis::table::{ALL_OLD, Item, Row, StoreError, Table};
use shared::event::{ApiState, RoutesState, Terms};
use shared::meter::{GRANT_SK, REFUSED_SK};
use shared::time::Time;

use crate::grant::{Grant, Update, Value, change, turn};
use crate::plan::Plan;
use crate::seal::{Step, due};

/// How long one try of an update may take.
const TRY: Duration = Duration::from_millis(1500);
/// How long an admission or a refund may try.
const BUDGET: Duration = Duration::from_secs(3);
const SHARDS: u32 = 16;
/// A row of refused calls or timings is kept for a week: `usage` has it from the stream at once.
const ASIDE_S: i64 = 7 * 24 * 3600;

/// The gateway's own table.
#[derive(Clone, Debug)]
pub struct Store {
    table: Table,
    /// The same client without retries and time-outs of its own: whether to try again is told by what a lost answer means, and one
    /// timer around a try costs less than the SDK's.
    once: Client,
}

/// Which grant a key opens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyRow {
    /// The grant: the subscription's id.
    pub grant: String,
    /// The key's number in the grant.
    pub number: u32,
}

#[derive(Serialize, Deserialize)]
struct TermsRow {
    revision: u64,
    since: Time,
    terms: String,
}

impl TermsRow {
    fn terms(&self) -> Result<Terms, StoreError> {
        serde_json::from_str(&self.terms).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

/// What one sweep of a grant did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Buckets turned.
    pub turned: u64,
    /// Months sealed and told.
    pub sealed: u64,
}

/// An entry of the list of all grants: its key says it all.
#[derive(Serialize)]
struct Listed {}

/// What came of one try of a conditional update of a grant.
#[derive(Debug)]
pub enum Tried {
    /// Applied; the grant as it is now.
    Applied(Box<Grant>),
    /// Not applied: the grant is this, and the condition did not hold.
    Stale(Box<Grant>),
    /// There is no such grant.
    Unknown,
    /// Not applied, and trying again may help: throttled, or in conflict with a transaction.
    Busy(String),
    /// Nobody knows whether it was applied: no answer came.
    Ambiguous(String),
    /// A fault of ours.
    Broken(String),
}

impl Store {
    /// On this table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        let config = table.client.config().to_builder();
        let config = config.retry_config(RetryConfig::disabled()).timeout_config(TimeoutConfig::disabled());
        Self { once: Client::from_conf(config.build()), table }
    }

    /// The grant that a key opens.
    pub async fn key(&self, sha256: &str) -> Result<Option<KeyRow>, StoreError> {
        self.table.get(format!("K#{sha256}"), "K").await
    }

    /// An API by `{organization}/{slug}`.
    pub async fn api(&self, name: &str) -> Result<Option<ApiState>, StoreError> {
        self.table.get(format!("A#{name}"), "A").await
    }

    /// All parts of a version's routes that have arrived.
    pub async fn routes(&self, version: &str) -> Result<Vec<RoutesState>, StoreError> {
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let slice = self.table.list(&format!("V#{version}"), "P#", after.as_deref(), 100).await?;
            parts.extend(slice.rows);
            after = slice.position;
            if after.is_none() {
                return Ok(parts);
            }
        }
    }

    /// The terms of a subscription at a revision.
    pub async fn terms(&self, grant: &str, revision: u64) -> Result<Option<Terms>, StoreError> {
        let row: Option<TermsRow> = self.table.get(grant, format!("T#{revision}")).await?;
        row.map(|row| row.terms()).transpose()
    }

    /// A grant, read consistently.
    pub async fn grant(&self, grant: &str) -> Result<Option<Grant>, StoreError> {
        self.table.get(grant, GRANT_SK).await
    }

    /// Tries a conditional update of a grant once. Retrying is the caller's: only it knows what a lost answer means.
    pub async fn update(&self, grant: &str, update: &Update) -> Tried {
        let names = || update.names.iter().map(|(name, attribute)| ((*name).to_owned(), attribute.clone())).collect();
        let values = update.values.iter().map(|(name, value)| ((*name).to_owned(), attribute(value))).collect();
        let sent = self
            .once
            .update_item()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(grant.to_owned()))
            .key("sk", AttributeValue::S(GRANT_SK.to_owned()))
            .update_expression(&update.update)
            .condition_expression(&update.condition)
            // DynamoDB refuses names that are none.
            .set_expression_attribute_names((!update.names.is_empty()).then(names))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ALL_OLD)
            .send();
        match tokio::time::timeout(TRY, sent).await {
            Ok(result) => read(result),
            Err(_) => Tried::Ambiguous(format!("no answer within {TRY:?}")),
        }
    }

    /// Tries until the update is applied or refused for good; `build` makes it anew from every image.
    pub(crate) async fn settle(
        &self,
        id: &str,
        mut image: Grant,
        mut build: impl FnMut(&Grant) -> Option<Update>,
    ) -> Result<Option<Grant>, StoreError> {
        let started = Instant::now();
        loop {
            let Some(update) = build(&image) else { return Ok(Some(image)) };
            match self.update(id, &update).await {
                Tried::Applied(grant) => return Ok(Some(*grant)),
                Tried::Stale(grant) => image = *grant,
                Tried::Unknown => return Ok(None),
                Tried::Broken(cause) => return Err(StoreError::Unavailable(cause)),
                Tried::Busy(cause) | Tried::Ambiguous(cause) => {
                    if started.elapsed() > BUDGET {
                        return Err(StoreError::Unavailable(cause));
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    match self.grant(id).await? {
                        Some(grant) => image = grant,
                        None => return Ok(None),
                    }
                }
            }
            if started.elapsed() > BUDGET {
                return Err(StoreError::Unavailable("the grant is too busy".to_owned()));
            }
        }
    }

    /// Makes sure that there is a grant: an empty one that admits nothing, if nothing was told of it yet. Its months are
    /// counted from `since`.
    pub async fn ensure_grant(&self, grant: &str, since: Time) -> Result<(), StoreError> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let map = || AttributeValue::M(HashMap::new());
        let mut item: Item = HashMap::from([
            ("pk".into(), AttributeValue::S(grant.to_owned())),
            ("sk".into(), AttributeValue::S(GRANT_SK.to_owned())),
            ("s".into(), AttributeValue::S("N".to_owned())),
            ("wk".into(), AttributeValue::S("N".to_owned())),
            ("bh".into(), number(since.hour())),
        ]);
        for name in ["sr", "pr", "pe", "u", "T", "la", "lf", "lo", "sh", "sa", "sf"] {
            item.insert(name.to_owned(), number(0));
        }
        let month = since.month().0.hour();
        for (name, value) in [("b", 1), ("v", 1), ("bv", 1), ("sl", month), ("st", month)] {
            item.insert(name.to_owned(), number(value));
        }
        // An update of a path into a map that is not there is an error, so every map is there from the beginning.
        for name in ["c", "f", "w0", "w1", "k", "g", "p", "q", "se", "sq"] {
            item.insert(name.to_owned(), map());
        }
        // The list first: a grant that is not on it would never be swept.
        self.put(Row::new(format!("GRANTS#{}", shard(grant)), grant, &Listed {})?).await?;
        let result = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match result {
            Err(error)
                if !error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Keeps the terms of a revision, and since when they hold.
    pub async fn put_terms(&self, grant: &str, revision: u64, since: Time, terms: &Terms) -> Result<(), StoreError> {
        let terms = serde_json::to_string(terms).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let row = Row::new(grant, format!("T#{revision}"), &TermsRow { revision, since, terms })?;
        self.put(row).await
    }

    /// Brings a grant to new terms, if they are newer than its own.
    pub async fn change_terms(&self, grant: &str, plan: &Plan, now: Time) -> Result<(), StoreError> {
        let mut next = self.grant(grant).await?;
        while let Some(image) = next.filter(|image| image.pr < plan.revision) {
            // Another change may come between: what the limiter is ahead is in units of the terms that the image is under.
            let under = image.pr;
            let before = self.terms(grant, under).await?.map(|terms| Plan::new(under, &terms));
            next = self
                .settle(grant, image, |image| (image.pr == under).then(|| change(image, before.as_ref(), plan, now)))
                .await?;
        }
        Ok(())
    }

    /// Closes the bucket of an idle grant whose hour is over, and seals the months that are over.
    pub async fn sweep(&self, id: &str, now: Time) -> Result<Swept, StoreError> {
        let Some(image) = self.grant(id).await? else { return Ok(Swept::default()) };
        // What was counted becomes final soon; that nothing was counted is said once a day, which is what it is worth.
        let today = now.day().0.hour();
        let counted = |image: &Grant| !(image.c.is_empty() && image.f.is_empty());
        let idle = |image: &Grant| now.hour() > image.bh && (counted(image) || today > image.bh);
        let mut swept = Swept { turned: u64::from(idle(&image)), sealed: 0 };
        let mut next = self.settle(id, image, |image| idle(image).then(|| turn(image, now.hour()))).await?;
        while let Some((image, step)) = next.and_then(|image| due(&image, now).map(|step| (image, step))) {
            next = self.seal(id, image, step, now).await?;
            swept.turned += u64::from(step == Step::Turn);
            swept.sealed += u64::from(step == Step::Tell);
        }
        Ok(swept)
    }

    /// One page of the list of all grants of a shard.
    pub async fn grants(
        &self,
        shard: u32,
        after: Option<&str>,
        limit: u16,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        #[derive(Deserialize)]
        struct Listed {
            sk: String,
        }
        let slice = self.table.list::<Listed>(&format!("GRANTS#{shard}"), "", after, limit).await?;
        Ok((slice.rows.into_iter().map(|row| row.sk).collect(), slice.position))
    }

    /// How many shards the list of grants has.
    #[must_use]
    pub fn shards() -> u32 {
        SHARDS
    }

    /// Sets a grant's state, which holds since a moment, unless a later revision of the subscription was told already.
    pub async fn set_state(&self, grant: &str, state: &str, revision: u64, since: Time) -> Result<(), StoreError> {
        self.write(
            grant,
            "SET #s = :s, #sh = :sh, #sr = :sr, #v = #v + :one",
            "attribute_exists(pk) AND #sr < :sr",
            &[("#s", "s"), ("#sh", "sh"), ("#sr", "sr"), ("#v", "v")],
            &[
                (":s", AttributeValue::S(state.to_owned())),
                (":sh", AttributeValue::N(since.hour().to_string())),
                (":sr", AttributeValue::N(revision.to_string())),
                (":one", AttributeValue::N("1".into())),
            ],
        )
        .await
    }

    /// Lets a key in until a moment, in seconds since 1970. The moment is only ever lowered: issuing, rotating and revoking
    /// commute, and a late event cannot bring a revoked key back.
    pub async fn set_key(&self, grant: &str, number: u32, not_after: i64) -> Result<(), StoreError> {
        self.write(
            grant,
            "SET #k.#n = :na, #v = #v + :one",
            "attribute_exists(pk) AND (attribute_not_exists(#k.#n) OR #k.#n > :na)",
            &[("#k", "k"), ("#n", &number.to_string()), ("#v", "v")],
            &[(":na", AttributeValue::N(not_after.to_string())), (":one", AttributeValue::N("1".into()))],
        )
        .await
    }

    async fn write(
        &self,
        grant: &str,
        update: &str,
        condition: &str,
        names: &[(&str, &str)],
        values: &[(&str, AttributeValue)],
    ) -> Result<(), StoreError> {
        let result = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(grant.to_owned()))
            .key("sk", AttributeValue::S(GRANT_SK.to_owned()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(
                names.iter().map(|(name, attribute)| ((*name).to_owned(), (*attribute).to_owned())).collect(),
            ))
            .set_expression_attribute_values(Some(
                values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            ))
            .send()
            .await;
        match result {
            Err(error)
                if !error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Keeps which grant a key opens.
    pub async fn put_key(&self, sha256: &str, row: &KeyRow) -> Result<(), StoreError> {
        self.put(Row::new(format!("K#{sha256}"), "K", row)?).await
    }

    /// Keeps the newest state of an API.
    pub async fn put_api(&self, api: &ApiState) -> Result<(), StoreError> {
        let row = Row::new(format!("A#{}/{}", api.organization.slug, api.slug), "A", api)?;
        self.table.project(row, api.revision).await?;
        Ok(())
    }

    /// Keeps a part of a version's routes.
    pub async fn put_routes(&self, routes: &RoutesState) -> Result<(), StoreError> {
        self.put(Row::new(format!("V#{}", routes.version), format!("P#{:05}", routes.part), routes)?).await
    }

    /// Keeps how many calls this sandbox refused for a grant in an hour, by the problem's slug.
    pub async fn put_refused(
        &self,
        grant: &str,
        hour: i64,
        writer: &str,
        counts: &HashMap<&'static str, u64>,
        now: Time,
    ) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Refused<'a> {
            n: &'a HashMap<&'static str, u64>,
        }
        let row = Row::new(grant, format!("{REFUSED_SK}{hour}#{writer}"), &Refused { n: counts })?
            .ttl(now.seconds() + ASIDE_S);
        self.put(row).await
    }

    async fn put(&self, row: Row) -> Result<(), StoreError> {
        self.table.client.put_item().table_name(&self.table.name).set_item(Some(row.into_item())).send().await?;
        Ok(())
    }
}

fn shard(grant: &str) -> u32 {
    grant.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % SHARDS
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::S(text) => AttributeValue::S((*text).to_owned()),
        Value::M(None) => AttributeValue::M(HashMap::new()),
        Value::M(Some((name, number))) => {
            AttributeValue::M(HashMap::from([(name.clone(), AttributeValue::N(number.to_string()))]))
        }
    }
}

fn read(result: Result<UpdateItemOutput, SdkError<UpdateItemError>>) -> Tried {
    let image = |item: Item| match serde_dynamo::aws_sdk_dynamodb_1::from_item::<Grant>(item) {
        Ok(grant) => Ok(Box::new(grant)),
        Err(error) => Err(Tried::Broken(error.to_string())),
    };
    let error = match result {
        Ok(output) => {
            return output.attributes.map_or(Tried::Broken("no image".to_owned()), |item| {
                image(item).map_or_else(|broken| broken, Tried::Applied)
            });
        }
        Err(error) => error,
    };
    let cause = DisplayErrorContext(&error).to_string();
    match &error {
        SdkError::ServiceError(service) => match service.err() {
            UpdateItemError::ConditionalCheckFailedException(failed) => match failed.item().cloned() {
                None => Tried::Unknown,
                Some(item) => image(item).map_or_else(|broken| broken, Tried::Stale),
            },
            UpdateItemError::ProvisionedThroughputExceededException(_)
            | UpdateItemError::RequestLimitExceeded(_)
            | UpdateItemError::ThrottlingException(_)
            | UpdateItemError::TransactionConflictException(_) => Tried::Busy(cause),
            // An answer of class 5xx does not say whether the write was applied.
            UpdateItemError::InternalServerError(_) => Tried::Ambiguous(cause),
            other if other.code().is_none() => Tried::Ambiguous(cause),
            _ => Tried::Broken(cause),
        },
        SdkError::ConstructionFailure(_) => Tried::Broken(cause),
        _ => Tried::Ambiguous(cause),
    }
}
