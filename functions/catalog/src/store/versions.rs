//! Versions, and what they do to their API.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};
use serde::{Deserialize, Serialize};
use shared::chassis::reply::Reply;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::told;
use shared::chassis::transaction::{Commit, Transaction};
use shared::id::{ApiId, VersionId};
use shared::page::PageRequest;
use shared::problem::Problem;
use shared::slug::Name;
use shared::time::Time;

use super::apis::put_api;
use super::search::change_api;
use super::{ATTEMPTS_MAX, Content, Store, Writer, organization};
use crate::domain::{Api, Version, VersionLabel, VersionName};
use crate::error::Error;
use crate::events::{routes_states, version_state};

/// Versions that are looked at when the current one retires, from the newest on.
const SUCCESSORS_MAX: i32 = 200;

/// How many versions an API has, and which one the search goes over.
#[derive(Clone, Serialize, Deserialize, Default)]
pub(super) struct Counter {
    pub(super) revision: u64,
    pub(super) versions: u32,
    pub(super) searched: Option<VersionId>,
    /// The title of that version's document: the API is found by it too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) title: String,
}

impl Counter {
    /// It must stay as it was read.
    pub(super) fn hold(&self, transaction: &mut Transaction<'_>, table: &str, api: ApiId) -> Result<(), StoreError> {
        if self.revision > 0 {
            return transaction.require("counter", api.to_string(), "COUNTER", self.revision);
        }
        let check = ConditionCheck::builder()
            .table_name(table)
            .key("pk", AttributeValue::S(api.to_string()))
            .key("sk", AttributeValue::S("COUNTER".into()))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push("counter", TransactWriteItem::builder().condition_check(check).build());
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Numbered {
    number: u32,
}

#[derive(Serialize, Deserialize)]
struct Place {
    api: ApiId,
    number: u32,
}

/// A step of a version's life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Publish,
    Deprecate { sunset_at: Time },
    Retire,
}

/// What a step did.
pub(crate) struct Changed {
    pub(crate) reply: Reply,
    /// The API as it is now.
    pub(crate) api: Api,
    /// Whether the door has to know.
    pub(crate) concerns_door: bool,
}

pub(super) fn version_row(number: u32) -> String {
    format!("VERSION#{number:08}")
}

fn set_counter(
    transaction: &mut Transaction<'_>,
    api: ApiId,
    before: &Counter,
    after: &Counter,
) -> Result<(), StoreError> {
    let row = Row::new(api.to_string(), "COUNTER", &Counter { revision: before.revision + 1, ..after.clone() })?;
    if before.revision == 0 {
        transaction.create("counter", row)
    } else {
        transaction.replace("counter", row, before.revision)
    }
}

impl Store {
    pub(super) async fn counter(&self, api: ApiId) -> Result<Counter, StoreError> {
        Ok(self.table.get(api.to_string(), "COUNTER").await?.unwrap_or_default())
    }

    /// Whether the API has a version of this name.
    pub(crate) async fn has_version(&self, api: ApiId, label: &VersionLabel) -> Result<bool, StoreError> {
        let row: Option<Numbered> = self.table.get(api.to_string(), format!("LABEL#{label}")).await?;
        Ok(row.is_some())
    }

    /// A new version: its content first, then its row, which is what makes it be there. Its name is taken once in its API.
    pub(crate) async fn create_version(
        &self,
        api: &Api,
        mut version: Version,
        content: &Content,
        writer: &Writer<'_>,
        present: impl Fn(&Version) -> Result<Reply, Problem>,
    ) -> Result<Reply, Error> {
        self.put_content(version.id, content).await?;
        // While nothing is published, the newest draft is what is found.
        let mut api = api.clone();
        let indexed = api.current.is_none();
        if indexed {
            self.put_words(&api, &version, &content.searched).await?;
        }
        let pk = api.id.to_string();
        for _ in 0..ATTEMPTS_MAX {
            let before = self.counter(api.id).await?;
            let searched = indexed && api.current.is_none();
            version.number = before.versions + 1;
            let reply = present(&version)?;
            let mut transaction = self.table.transaction();
            transaction.create(
                "label",
                Row::new(&pk, format!("LABEL#{}", version.version), &Numbered { number: version.number })?,
            )?;
            transaction.create("version", Row::new(&pk, version_row(version.number), &version)?)?;
            transaction.create(
                "name",
                Row::new(version.id.to_string(), "NAME", &Place { api: api.id, number: version.number })?,
            )?;
            let after = Counter {
                versions: version.number,
                searched: if searched { Some(version.id) } else { before.searched },
                title: if searched { version.title.clone() } else { before.title.clone() },
                ..before.clone()
            };
            set_counter(&mut transaction, api.id, &before, &after)?;
            if searched {
                change_api(&mut transaction, Some((&api, &before.title)), (&api, &version.title))?;
                // Nobody publishes meanwhile, or the search would stay with this draft.
                transaction.require(
                    "api",
                    organization(api.organization.id),
                    format!("API#{}", api.slug),
                    api.revision,
                )?;
            }
            transaction.emit(&pk, &version_state(&version), writer.now)?;
            transaction.remember(writer.idempotency, &reply)?;
            let outcome = match transaction.commit().await? {
                Commit::Done => {
                    if let Some(old) = before.searched.filter(|_| searched) {
                        self.forget(&api, old).await;
                    } else if indexed && !searched {
                        let _ = self.drop_words(&api, version.id, &content.searched).await;
                    }
                    return Ok(reply);
                }
                Commit::Refused { label: "counter" | "version", .. } => continue,
                Commit::Refused { label: "api", .. } => {
                    api = self.api(api.organization.id, &Name::Slug(api.slug.clone())).await?.ok_or(Error::NotFound)?;
                    continue;
                }
                Commit::Replay(reply) => Ok(reply),
                Commit::Refused { .. } => Err(Error::Taken {
                    pointer: "/query/version",
                    detail: format!(
                        "The API has a version `{}` already. A version never changes: upload under a new name.",
                        version.version
                    ),
                }),
            };
            // Someone else was first. What was written for this one is nobody's: removing it is tidiness, not truth.
            let _ = self.drop_content(version.id, content).await;
            if indexed {
                let _ = self.drop_words(&api, version.id, &content.searched).await;
            }
            return outcome;
        }
        Err(Error::Contended)
    }

    /// Removes the words of a version that is no longer searched. When this fails, they lie there unseen.
    async fn forget(&self, api: &Api, version: VersionId) {
        if let Ok(searched) = self.all_searched(version).await {
            let _ = self.drop_words(api, version, &searched).await;
        }
    }

    /// A version of an API.
    pub(crate) async fn version(&self, api: ApiId, name: &VersionName) -> Result<Option<Version>, StoreError> {
        let number = match name {
            VersionName::Label(label) => {
                self.table.get::<Numbered>(api.to_string(), format!("LABEL#{label}")).await?.map(|row| row.number)
            }
            VersionName::Id(id) => self
                .table
                .get::<Place>(id.to_string(), "NAME")
                .await?
                .filter(|place| place.api == api)
                .map(|place| place.number),
        };
        match number {
            Some(number) => self.table.get(api.to_string(), version_row(number)).await,
            None => Ok(None),
        }
    }

    /// The API's versions in the order in which they came.
    pub(crate) async fn versions(
        &self,
        api: ApiId,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Slice<Version>, StoreError> {
        self.table.list(&api.to_string(), "VERSION#", after, limit).await
    }

    /// The API's versions that are offered, in the order in which they came.
    pub(crate) async fn offered_versions(&self, api: ApiId, page: &PageRequest) -> Result<Slice<Version>, StoreError> {
        let pk = api.to_string();
        self.seen((&pk, "VERSION#"), page, Version::is_offered, |version| version_row(version.number)).await
    }

    /// Who takes the place of a current version that retires: of what is still offered, what was published last.
    async fn successor(&self, api: ApiId, retiring: VersionId) -> Result<Option<Version>, StoreError> {
        let answer = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(api.to_string()))
            .expression_attribute_values(":prefix", AttributeValue::S("VERSION#".into()))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(SUCCESSORS_MAX)
            .send()
            .await?;
        let mut last: Option<Version> = None;
        for item in answer.items.unwrap_or_default() {
            let version: Version = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?;
            if version.id != retiring
                && version.is_offered()
                && last.as_ref().is_none_or(|last| last.published_at < version.published_at)
            {
                last = Some(version);
            }
        }
        Ok(last)
    }

    /// A step of a version's life: the version, its API where that changes with it, and their events in one write.
    pub(crate) async fn change_version(
        &self,
        api_name: &Name<shared::id::Api>,
        name: &VersionName,
        change: Change,
        writer: &Writer<'_>,
        present: impl Fn(&Version) -> Result<Reply, Problem>,
    ) -> Result<Changed, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let mut api = self.api(writer.organization.id, api_name).await?.ok_or(Error::NotFound)?;
            let mut version = self.version(api.id, name).await?.ok_or(Error::NotFound)?;
            let is_current = api.current.as_ref().is_some_and(|current| current.id == version.id);
            let first_time = version.published_at.is_none();
            let step = match change {
                Change::Publish => version.publish(is_current, writer.now),
                Change::Deprecate { sunset_at } => version.deprecate(sunset_at, writer.now),
                Change::Retire => version.retire(is_current, writer.now),
            };
            step.map_err(|step| Error::State { pointer: None, detail: step.to_string() })?;
            if matches!(change, Change::Publish) {
                self.require_check(&api, &version, writer.now).await?;
            }
            let current = match change {
                Change::Publish => Some(version.as_current()),
                Change::Deprecate { .. } if is_current => Some(version.as_current()),
                Change::Retire if is_current => {
                    self.successor(api.id, version.id).await?.map(|version| version.as_current())
                }
                _ => api.current.clone(),
            };
            let concerns_door = current != api.current || matches!(change, Change::Publish);
            let mut transaction = self.table.transaction();
            if concerns_door {
                api.current = current;
                api.revision += 1;
                api.updated_at = writer.now;
                put_api(&mut transaction, &api, writer)?;
            }
            let pk = api.id.to_string();
            transaction.replace(
                "version",
                Row::new(&pk, version_row(version.number), &version)?,
                version.revision - 1,
            )?;
            transaction.emit(&pk, &version_state(&version), writer.now)?;
            let forgotten = self.search_along(&mut transaction, &api, &version, change, first_time, writer).await?;
            let reply = present(&version)?;
            transaction.remember(writer.idempotency, &reply)?;
            match transaction.commit().await? {
                Commit::Done => {
                    if let Some(old) = forgotten {
                        self.forget(&api, old).await;
                    }
                    return Ok(Changed { reply, api, concerns_door });
                }
                Commit::Replay(reply) => {
                    let api = self.api(writer.organization.id, api_name).await?.ok_or(Error::NotFound)?;
                    return Ok(Changed { reply, api, concerns_door: true });
                }
                Commit::Refused { .. } => {}
            }
        }
        Err(Error::Contended)
    }

    /// Lets the search go over what becomes current, and tells the routes of what is published for the first time. Answers the version
    /// whose words are to be removed afterwards.
    async fn search_along(
        &self,
        transaction: &mut Transaction<'_>,
        api: &Api,
        version: &Version,
        change: Change,
        first_time: bool,
        writer: &Writer<'_>,
    ) -> Result<Option<VersionId>, Error> {
        let before = self.counter(api.id).await?;
        let publishes = matches!(change, Change::Publish);
        let wanted = api.current.as_ref().map(|current| current.id);
        let moves = wanted.is_some() && before.searched != wanted;
        let mut title = before.title.clone();
        if publishes && (moves || first_time) {
            let searched = self.all_searched(version.id).await?;
            if moves {
                self.put_words(api, version, &searched).await?;
                title.clone_from(&version.title);
            }
            if first_time {
                for routes in routes_states(api, version, &searched.operations) {
                    // Both would be too much for one transaction. Routes that are kept and never told are nobody's current ones.
                    told::keep(&self.table, &routes).await?;
                    transaction.tell(&api.id.to_string(), &routes, writer.now)?;
                }
            }
        } else if let (true, Some(successor)) = (moves, wanted) {
            let successor = self.version(api.id, &VersionName::Id(successor)).await?.ok_or(Error::NotFound)?;
            let searched = self.all_searched(successor.id).await?;
            self.put_words(api, &successor, &searched).await?;
            title = successor.title;
        }
        if !moves {
            if wanted.is_some() && before.revision > 0 {
                transaction.require("counter", api.id.to_string(), "COUNTER", before.revision)?;
            }
            return Ok(None);
        }
        change_api(transaction, Some((api, &before.title)), (api, &title))?;
        set_counter(transaction, api.id, &before, &Counter { searched: wanted, title, ..before.clone() })?;
        Ok(before.searched)
    }
}
