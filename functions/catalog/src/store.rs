//! The table. The only part that names the SDK.
//!
//! | `pk` | `sk` | what |
//! | --- | --- | --- |
//! | `ORG#{organization}` | `API#{slug}`, `SERVICE#{slug}` | an API, a service |
//! | `ORG#{organization}` | `SHOWN#{slug}` | the API once more, while the public side may show it |
//! | `ORG#{organization}` | `COUNTER` | how many APIs were ever made |
//! | `SLUG#{organization's slug}` | `ORG` | the organization's id |
//! | `{api or service id}` | `NAME` | where it is; of a service also how often an API began to name it |
//! | `{api id}` | `VERSION#{number}` | a version |
//! | `{api id}` | `LABEL#{name}` | the number of the version of that name |
//! | `{api id}` | `COUNTER` | how many versions there are, and which one the search goes over, with its title |
//! | `{api id}` | `CHECK#{document's SHA-256}#{version id, none}#COMPLETE`, `…#PENDING` | the newest check of a document against a version, and the newest that is not complete; 90 days |
//! | `{api id}` | `POLICY` | the newest policy of the API |
//! | `{version id}` | `NAME` | where the version is |
//! | `{version id}` | `CHUNK#{n}`, `OPERATIONS#{n}`, `ENTRIES#{n}`, `WARNINGS` | its packed document, its operations by 25, its types and fields by 100, its warnings |
//! | `FIND#{organization}#{first letter}` | `{word}#{api id}#{version id}` | the numbers of the operations, types and fields with a word |
//! | `FIND#{organization}#{first letter}` | `{word}#{api or service id}#-` | an API or a service with a word |

mod apis;
mod batch;
mod checks;
mod content;
mod search;
mod services;
mod versions;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{Slice, StoreError, Table};
use shared::id::OrganizationId;
use shared::page::PageRequest;
use shared::principal::Party;
use shared::slug::{Name, Slug};
use shared::time::Time;

pub(crate) use apis::NewApi;
pub(crate) use content::{Content, Searched};
pub(crate) use search::{Hit, Question, Thing};
pub(crate) use versions::Change;

/// Tries of a write that meets others of its kind.
const ATTEMPTS_MAX: u32 = 8;
/// Rows that are looked at together for those that may be seen.
const SLICE: u16 = 200;

/// The catalog's table.
#[derive(Clone, Debug)]
pub struct Store {
    table: Table,
}

/// Who writes, when, and whether the request may come again.
pub(crate) struct Writer<'a> {
    pub(crate) organization: &'a Party,
    pub(crate) now: Time,
    pub(crate) idempotency: Option<&'a Idempotency>,
}

/// Where a thing with an id is.
#[derive(Serialize, Deserialize)]
struct Place {
    organization: OrganizationId,
    slug: Slug,
}

#[derive(Serialize, Deserialize)]
struct OrganizationRow {
    id: OrganizationId,
}

fn organization(id: OrganizationId) -> String {
    format!("ORG#{id}")
}

impl Store {
    /// Over this table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// What a repeated request was answered the first time.
    pub(crate) async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, StoreError> {
        self.table.replay(idempotency).await
    }

    /// The organization that is named; by its slug, if it ever made an API.
    pub(crate) async fn organization(
        &self,
        name: &Name<shared::id::Organization>,
    ) -> Result<Option<OrganizationId>, StoreError> {
        match name {
            Name::Id(id) => Ok(Some(*id)),
            Name::Slug(slug) => {
                let row: Option<OrganizationRow> = self.table.get(format!("SLUG#{slug}"), "ORG").await?;
                Ok(row.map(|row| row.id))
            }
        }
    }

    /// The first rows of a kind, at most so many; the position is there if there are more.
    async fn first<T: DeserializeOwned>(&self, pk: &str, prefix: &str, most: usize) -> Result<Slice<T>, StoreError> {
        let mut rows: Vec<T> = Vec::new();
        let mut after = None;
        loop {
            let limit = u16::try_from(most - rows.len()).unwrap_or(SLICE).min(SLICE);
            let slice = self.table.list(pk, prefix, after.as_deref(), limit).await?;
            rows.extend(slice.rows);
            after = slice.position;
            if rows.len() >= most || after.is_none() {
                break;
            }
        }
        if after.is_some()
            && self.table.list::<serde::de::IgnoredAny>(pk, prefix, after.as_deref(), 1).await?.rows.is_empty()
        {
            after = None;
        }
        Ok(Slice { rows, position: after })
    }

    /// A page of the rows that may be seen. Neither its length nor its end tells anything of the others.
    async fn seen<T: DeserializeOwned>(
        &self,
        (pk, prefix): (&str, &str),
        page: &PageRequest,
        is_seen: impl Fn(&T) -> bool,
        sk: impl Fn(&T) -> String,
    ) -> Result<Slice<T>, StoreError> {
        let size = usize::from(page.size);
        let mut rows: Vec<T> = Vec::new();
        let mut after = page.after.clone();
        loop {
            let slice = self.table.list(pk, prefix, after.as_deref(), SLICE).await?;
            rows.extend(slice.rows.into_iter().filter(&is_seen));
            after = slice.position;
            if rows.len() > size || after.is_none() {
                break;
            }
        }
        let more = rows.len() > size;
        rows.truncate(size);
        let last = rows.last().filter(|_| more);
        let position = last.map(|row| serde_json::json!({"pk": pk, "sk": sk(row)}).to_string());
        Ok(Slice { rows, position })
    }
}
