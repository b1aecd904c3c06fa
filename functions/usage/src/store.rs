//! The table. The README lists its rows. Every row is kept by "the newest wins": a put whose condition compares `revision`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use shared::chassis::at_once::at_once;
use shared::chassis::table::{Item, Row, StoreError, Table};
use shared::event::SubscriptionState;
use shared::id::{AppId, OrganizationId};
use shared::meter::Counter;
use shared::principal::Party;
use shared::time::Time;

use crate::domain::{Batch, Bucket, Head, counter, hour_of};

mod calls;
mod many;
mod names;
mod numbers;
mod periods;
mod timings;

pub(crate) use names::{Key, OperationAt};

const PAGE: u16 = 1000;
const BATCH_GET_MAX: usize = 100;
/// A caller is found for 90 days at most, so its rows may go after that.
const CALLS_KEPT_S: i64 = 100 * 24 * 3600;
const REFUSED_KEPT_S: i64 = 400 * 24 * 3600;
/// How many subscriptions a sandbox remembers the provider of.
const PROVIDERS_MAX: usize = 10_000;

/// Usage's own table.
#[derive(Clone)]
pub struct Store {
    table: Table,
    /// The provider of a subscription never changes.
    providers: Arc<Mutex<HashMap<String, OrganizationId>>>,
    /// The last hours of versions that were written, see [`many`].
    live: Arc<Mutex<HashMap<String, i64>>>,
}

/// What is kept of a subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) revision: u64,
    pub(crate) organization: Party,
    pub(crate) provider: Party,
    pub(crate) app: AppId,
    pub(crate) app_name: String,
    pub(crate) created_at: Time,
    /// When it first became active.
    #[serde(default)]
    pub(crate) activated_at: Option<Time>,
    /// When it ended.
    #[serde(default)]
    pub(crate) cancelled_at: Option<Time>,
}

/// Calls of an operation with a key in one bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Called {
    pub(crate) subscription: String,
    pub(crate) key: u32,
    pub(crate) hour: i64,
    pub(crate) n: u64,
    /// Not read back, see [`CALLED`].
    #[serde(default)]
    revision: u64,
}

/// What is read of [`Called`]: its keys are longer than all the rest, and there are up to 200,000 of them in one answer.
const CALLED: &[&str] = &["subscription", "key", "hour", "n"];

/// The state of a subscription's rows under its operations.
#[derive(Debug, Serialize, Deserialize)]
struct Filed {}

const SUBSCRIPTION_SK: &str = "S";
const HEAD_SK: &str = "HEAD";
const FILED_SK: &str = "FILED";

fn key_sk(number: u32) -> String {
    format!("K#{number:010}")
}

fn bucket_sk(bucket: &Bucket) -> String {
    format!("B#{:010}#{:012}", bucket.bh, bucket.b)
}

fn ended_sk(month: i64) -> String {
    format!("E#{month:010}")
}

fn calls_pk(organization: &OrganizationId, api: u32, version: u32, operation: u32) -> String {
    format!("CALLS#{organization}#{api}.{version}.{operation}")
}

impl Store {
    /// On a table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table, providers: Arc::default(), live: Arc::default() }
    }

    /// Writes what a batch of the stream says. May be done again at any point. Answers whose hours may be whole now.
    pub(crate) async fn meter<'a>(&self, batch: &'a Batch) -> Result<BTreeSet<&'a String>, StoreError> {
        for (subscription, head) in &batch.made {
            self.table
                .project(Row::new(subscription, HEAD_SK, &Kept { state: head, revision: head.next })?, head.next)
                .await?;
        }
        for ((subscription, number), bucket) in &batch.buckets {
            self.table.project(Row::new(subscription, bucket_sk(bucket), bucket)?, bucket.revision).await?;
            // Only now: see `subscription`.
            let Some(provider) = self.provider(subscription).await? else { continue };
            for (name, calls) in &bucket.c {
                // The last image writes them all: it repairs what an image that was lost should have written.
                if bucket.closed || batch.touched.contains(&(subscription.clone(), *number, name.clone())) {
                    self.file(&provider, subscription, bucket, name, *calls).await?;
                }
            }
        }
        for ((subscription, month, terms), ended) in &batch.ended {
            let sk = format!("{}#{terms:010}", ended_sk(*month));
            self.table.project(Row::new(subscription, sk, ended)?, ended.revision).await?;
        }
        // What is only open moves no frontier.
        let closed =
            batch.buckets.iter().filter(|(_, bucket)| bucket.closed).map(|((subscription, _), _)| subscription);
        let ended = batch.ended.keys().map(|(subscription, ..)| subscription);
        let moved: BTreeSet<&String> = closed.chain(ended).chain(batch.made.keys()).collect();
        for subscription in &moved {
            self.advance(subscription).await?;
        }
        for ((subscription, hour, writer), refused) in &batch.refused {
            let row = Row::new(subscription, format!("R#{hour:010}#{writer}"), refused)?
                .ttl(Time::of_hour(*hour).seconds().saturating_add(REFUSED_KEPT_S));
            self.table.project(row, refused.revision).await?;
        }
        self.keep_timings(batch).await?;
        Ok(moved)
    }

    /// Files a counter of a bucket under its operation.
    async fn file(
        &self,
        provider: &OrganizationId,
        subscription: &str,
        bucket: &Bucket,
        name: &str,
        calls: u64,
    ) -> Result<(), StoreError> {
        // Unreadable names do not come this far.
        let Ok(Counter { key, api, version, operation }) = counter(name) else { return Ok(()) };
        let hour = hour_of(name, bucket.bh);
        // Before the row itself: a version whose hour is kept may lack calls, one that lacks its hour would hide them.
        self.keep_live(provider, api, version, hour).await?;
        let row = Called { subscription: subscription.to_owned(), key, hour, n: calls, revision: bucket.revision };
        let sk = format!("{hour:010}#{subscription}#{key:010}#{:012}", bucket.b);
        let row = Row::new(calls_pk(provider, api, version, operation), sk, &row)?
            .ttl(Time::of_hour(hour).seconds().saturating_add(CALLS_KEPT_S));
        self.table.project(row, bucket.revision).await.map(drop)
    }

    async fn provider(&self, subscription: &str) -> Result<Option<OrganizationId>, StoreError> {
        let known = self.providers.lock().ok().and_then(|providers| providers.get(subscription).copied());
        if known.is_some() {
            return Ok(known);
        }
        let Some(found) = self.subscription(subscription).await? else { return Ok(None) };
        if let Ok(mut providers) = self.providers.lock() {
            if providers.len() >= PROVIDERS_MAX {
                providers.clear();
            }
            providers.insert(subscription.to_owned(), found.provider.id);
        }
        Ok(Some(found.provider.id))
    }

    /// A subscription.
    pub(crate) async fn subscription(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        self.table.get(id, SUBSCRIPTION_SK).await
    }

    /// Keeps a subscription, and files the buckets that came before it under the provider's operations. Whoever writes a
    /// bucket reads the subscription afterwards, here the buckets are read after the subscription is written: one sees the
    /// other.
    pub(crate) async fn keep_subscription(&self, state: SubscriptionState) -> Result<(), StoreError> {
        let id = state.id.to_string();
        let provider = state.provider.id;
        let row = Subscription {
            id: id.clone(),
            revision: state.revision,
            organization: state.organization,
            provider: state.provider,
            app: state.app,
            app_name: state.app_name,
            created_at: state.created_at,
            activated_at: state.activated_at,
            cancelled_at: state.cancelled_at,
        };
        for api in &state.terms.apis {
            self.keep_subscribed(api.id, &id).await?;
        }
        self.table.project(Row::new(&id, SUBSCRIPTION_SK, &row)?, row.revision).await?;
        self.keep_sides(&row).await?;
        if self.table.get::<Filed>(&id, FILED_SK).await?.is_some() {
            return Ok(());
        }
        for bucket in self.between::<Bucket>(&id, "B#", "B#~").await? {
            for (name, calls) in &bucket.c {
                self.file(&provider, &id, &bucket, name, *calls).await?;
            }
        }
        self.table.project(Row::new(&id, FILED_SK, &Kept { state: &Filed {}, revision: 1 })?, 1).await.map(drop)
    }

    /// The calls of an operation since an hour, at most `limit` rows and one.
    pub(crate) async fn calls(
        &self,
        organization: &OrganizationId,
        api: u32,
        at: OperationAt,
        from: i64,
        limit: usize,
    ) -> Result<Vec<Called>, StoreError> {
        self.at_most(limit, CALLED, &calls_pk(organization, api, at.version, at.n), (&format!("{from:010}"), "~")).await
    }

    /// The rows of a partition whose sort keys lie between two bounds, in order: all of them, or more than `limit`.
    async fn at_most<T: DeserializeOwned>(
        &self,
        limit: usize,
        attributes: &[&str],
        pk: &str,
        bounds: (&str, &str),
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.parts(attributes, pk, bounds, Order::Ascending, PAGE, after).await?;
            rows.extend(page);
            match next {
                Some(next) if rows.len() <= limit => after = Some(next),
                _ => return Ok(rows),
            }
        }
    }

    /// Subscriptions with their frontiers and keys, as far as they are known.
    pub(crate) async fn callers(&self, callers: &BTreeSet<(String, u32)>) -> Result<Callers, StoreError> {
        self.known(callers, &[]).await
    }

    /// The same, and other subscriptions without keys. Several batches at once.
    pub(crate) async fn known(
        &self,
        callers: &BTreeSet<(String, u32)>,
        others: &[String],
    ) -> Result<Callers, StoreError> {
        let mut keys = BTreeSet::new();
        for subscription in callers.iter().map(|(subscription, _)| subscription).chain(others) {
            keys.insert((subscription.clone(), SUBSCRIPTION_SK.to_owned()));
            keys.insert((subscription.clone(), HEAD_SK.to_owned()));
        }
        keys.extend(callers.iter().map(|(subscription, key)| (subscription.clone(), key_sk(*key))));
        let mut found = Callers::default();
        let keys: Vec<_> = keys.into_iter().collect();
        let chunks: Vec<Vec<_>> = keys.chunks(BATCH_GET_MAX).map(<[_]>::to_vec).collect();
        let batches = chunks.into_iter().map(|chunk| {
            let store = self.clone();
            async move { store.batch(&chunk).await }
        });
        for item in at_once(many::AT_ONCE, batches).await?.into_iter().flatten() {
            let at = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let (pk, sk) = (at("pk"), at("sk"));
            match sk.as_str() {
                SUBSCRIPTION_SK => drop(found.subscriptions.insert(pk, from_item(item)?)),
                HEAD_SK => drop(found.heads.insert(pk, from_item(item)?)),
                _ => {
                    let key: Key = from_item(item)?;
                    found.keys.insert((pk, key.number), key);
                }
            }
        }
        Ok(found)
    }

    async fn batch(&self, keys: &[(String, String)]) -> Result<Vec<Item>, StoreError> {
        let unavailable = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string());
        let keys = keys.iter().map(|(pk, sk)| {
            HashMap::from([
                ("pk".to_owned(), AttributeValue::S(pk.clone())),
                ("sk".to_owned(), AttributeValue::S(sk.clone())),
            ])
        });
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| unavailable(&error))?;
        let mut wanted = Some(HashMap::from([(self.table.name.clone(), wanted)]));
        let mut items = Vec::new();
        let mut attempts = 0;
        while let Some(left) = wanted.take().filter(|left| !left.is_empty()) {
            attempts += 1;
            if attempts > BATCH_GET_MAX {
                return Err(unavailable(&"the table does not give all rows"));
            }
            let answer = self.table.client.batch_get_item().set_request_items(Some(left)).send().await?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            wanted = answer.unprocessed_keys;
        }
        Ok(items)
    }

    /// All rows of a partition whose sort keys lie between two bounds, in order.
    async fn between<T: DeserializeOwned>(&self, pk: &str, from: &str, to: &str) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.range(pk, (from, to), Order::Ascending, PAGE, after).await?;
            rows.extend(page);
            if next.is_none() {
                return Ok(rows);
            }
            after = next;
        }
    }

    async fn range<T: DeserializeOwned>(
        &self,
        pk: &str,
        bounds: (&str, &str),
        order: Order,
        limit: u16,
        after: Option<Item>,
    ) -> Result<(Vec<T>, Option<Item>), StoreError> {
        self.parts(&[], pk, bounds, order, limit, after).await
    }

    /// The same, with these attributes only; all of them where none is named.
    async fn parts<T: DeserializeOwned>(
        &self,
        attributes: &[&str],
        pk: &str,
        (from, to): (&str, &str),
        order: Order,
        limit: u16,
        after: Option<Item>,
    ) -> Result<(Vec<T>, Option<Item>), StoreError> {
        // By other names: some of DynamoDB's words are reserved.
        let names: HashMap<String, String> =
            attributes.iter().enumerate().map(|(n, name)| (format!("#a{n}"), (*name).to_owned())).collect();
        let only = (0..attributes.len()).map(|n| format!("#a{n}")).collect::<Vec<_>>().join(", ");
        let answer = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
            .set_projection_expression(Some(only).filter(|only| !only.is_empty()))
            .set_expression_attribute_names(Some(names).filter(|names| !names.is_empty()))
            .scan_index_forward(order == Order::Ascending)
            .consistent_read(true)
            .limit(i32::from(limit))
            .set_exclusive_start_key(after)
            .send()
            .await?;
        let rows = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok((rows, answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// A row of ours that has no revision of its own.
#[derive(Serialize)]
struct Kept<'a, T> {
    #[serde(flatten)]
    state: &'a T,
    revision: u64,
}

/// What is known of callers.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    pub(crate) subscriptions: HashMap<String, Subscription>,
    pub(crate) heads: HashMap<String, Head>,
    pub(crate) keys: HashMap<(String, u32), Key>,
}
