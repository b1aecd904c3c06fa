//! The search: a word has one row per version, with the numbers of its operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Operation;
use aws_sdk_dynamodb::types::{AttributeValue, WriteRequest};
use serde::{Deserialize, Serialize};
use shared::chassis::table::StoreError;
use shared::id::{ApiId, OrganizationId, VersionId};
use shared::slug::Slug;

use super::Store;
use super::batch::{delete, put};
use super::versions::Counter;
use crate::domain::{Api, Version, words};

/// Pages of 1 MB that are read for one word of a question.
const PAGES_MAX: u32 = 4;

#[derive(Serialize, Deserialize)]
struct Posting {
    sk: String,
    api: Slug,
    version: String,
    numbers: String,
}

/// One operation that was found.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) api_id: ApiId,
    pub(crate) api: Slug,
    pub(crate) version: String,
    pub(crate) operation: Operation,
}

/// A page of what was found.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    /// Where to go on.
    pub(crate) position: Option<String>,
    /// Whether a word had more rows than are read.
    pub(crate) partial: bool,
}

type Key = (ApiId, VersionId);

fn partition(owner: OrganizationId, word: &str) -> String {
    format!("FIND#{owner}#{}", word.chars().next().unwrap_or('-'))
}

fn row(word: &str, api: ApiId, version: VersionId) -> String {
    format!("{word}#{api}#{version}")
}

impl Store {
    /// Makes a version's operations findable. They are found once the API's counter names the version.
    pub(super) async fn put_words(
        &self,
        api: &Api,
        version: &Version,
        operations: &[Operation],
    ) -> Result<(), StoreError> {
        let (index, _) = words::index(operations);
        let rows: Result<Vec<WriteRequest>, StoreError> = index
            .iter()
            .map(|(word, numbers)| {
                let sk = row(word, api.id, version.id);
                let posting = Posting {
                    sk: sk.clone(),
                    api: api.slug.clone(),
                    version: version.version.to_string(),
                    numbers: words::pack(numbers),
                };
                put(&partition(api.organization.id, word), sk, &posting)
            })
            .collect();
        self.write(rows?).await
    }

    /// Removes the rows of a version that is no longer searched. What a crash leaves of them is never found: the counter names another version.
    pub(super) async fn drop_words(
        &self,
        api: &Api,
        version: VersionId,
        operations: &[Operation],
    ) -> Result<(), StoreError> {
        let (index, _) = words::index(operations);
        let rows: Result<Vec<WriteRequest>, StoreError> = index
            .keys()
            .map(|word| delete(&partition(api.organization.id, word), row(word, api.id, version)))
            .collect();
        self.write(rows?).await
    }

    /// The rows of all words that begin so; of a single letter, only of the word itself.
    async fn postings(&self, owner: OrganizationId, word: &str) -> Result<(Vec<Posting>, bool), StoreError> {
        let prefix = if word.chars().nth(1).is_none() { format!("{word}#") } else { word.to_owned() };
        let (mut rows, mut start) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let answer = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", AttributeValue::S(partition(owner, word)))
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in answer.items.unwrap_or_default() {
                rows.push(serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((rows, false));
            }
        }
        Ok((rows, true))
    }

    /// The operations that have, for each word of the question, a word that begins so.
    pub(crate) async fn find(
        &self,
        owner: OrganizationId,
        question: &str,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Found, StoreError> {
        let mut names: BTreeMap<Key, (Slug, String)> = BTreeMap::new();
        let mut matches: Option<BTreeMap<Key, BTreeSet<u32>>> = None;
        let mut partial = false;
        for word in words::question(question) {
            let (rows, cut) = self.postings(owner, &word).await?;
            partial |= cut;
            let mut here: BTreeMap<Key, BTreeSet<u32>> = BTreeMap::new();
            for posting in rows {
                let mut parts = posting.sk.rsplit('#');
                let (version, api) =
                    (parts.next().unwrap_or_default().parse(), parts.next().unwrap_or_default().parse());
                let (Ok(version), Ok(api)) = (version, api) else { continue };
                let key = (api, version);
                let allowed = matches.as_ref().map(|matches| matches.get(&key));
                match allowed {
                    Some(None) => {}
                    Some(Some(allowed)) => here
                        .entry(key)
                        .or_default()
                        .extend(words::unpack(&posting.numbers).filter(|number| allowed.contains(number))),
                    None => here.entry(key).or_default().extend(words::unpack(&posting.numbers)),
                }
                names.entry(key).or_insert((posting.api, posting.version));
            }
            let done = here.values().all(BTreeSet::is_empty);
            matches = Some(here);
            if done {
                break;
            }
        }
        let after = after.and_then(position);
        let mut hits = Vec::new();
        for ((api_id, version), numbers) in matches.unwrap_or_default() {
            let key = (api_id, version);
            let from = match after {
                Some((last, number)) if last == key => number.saturating_add(1),
                Some((last, _)) if key < last => continue,
                _ => 0,
            };
            let Some((api, name)) = names.get(&key) else { continue };
            let mut numbers: Vec<u32> = numbers.range(from..).copied().collect();
            if numbers.is_empty() || !self.is_searched(api_id, version).await? {
                continue;
            }
            let room = usize::from(limit) - hits.len();
            let more = numbers.len() > room;
            numbers.truncate(room);
            let last = numbers.last().copied().unwrap_or_default();
            for operation in self.operations_of(version, &numbers).await? {
                hits.push(Hit { api_id, api: api.clone(), version: name.clone(), operation });
            }
            if more || hits.len() >= usize::from(limit) {
                return Ok(Found { hits, position: Some(format!("{api_id}#{version}#{last}")), partial });
            }
        }
        Ok(Found { hits, position: None, partial })
    }

    async fn is_searched(&self, api: ApiId, version: VersionId) -> Result<bool, StoreError> {
        let counter: Option<Counter> = self.table.get(api.to_string(), "COUNTER").await?;
        Ok(counter.and_then(|counter| counter.searched) == Some(version))
    }

    /// Operations by their ascending numbers: those that stand close together with one read.
    async fn operations_of(&self, version: VersionId, numbers: &[u32]) -> Result<Vec<Operation>, StoreError> {
        let mut found = Vec::with_capacity(numbers.len());
        let mut rest = numbers;
        while let [first, ..] = rest {
            let near = rest.iter().take_while(|number| **number - first < 50).count().max(1);
            let (now, later) = rest.split_at(near);
            let last = now.last().copied().unwrap_or(*first);
            let operations = self.operations(version, *first, last - first + 1).await?;
            found.extend(
                operations
                    .into_iter()
                    .filter(|(number, _)| now.binary_search(number).is_ok())
                    .map(|(_, operation)| operation),
            );
            rest = later;
        }
        Ok(found)
    }
}

fn position(text: &str) -> Option<(Key, u32)> {
    let mut parts = text.split('#');
    Some(((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?), parts.next()?.parse().ok()?))
}
