//! The table. The only part that names the SDK.
//!
//! | `pk` | `sk` | what |
//! | --- | --- | --- |
//! | `ORG#{organization}` | `API#{slug}`, `SERVICE#{slug}` | an API, a service |
//! | `ORG#{organization}` | `SHOWN#{slug}` | the API once more, while the public side may show it |
//! | `ORG#{organization}` | `COUNTER` | how many APIs were ever made |
//! | `SLUG#{organization's slug}` | `ORG` | the organization's id |
//! | `{api or service id}` | `NAME` | where it is |
//! | `{api id}` | `VERSION#{number}` | a version |
//! | `{api id}` | `LABEL#{name}` | the number of the version of that name |
//! | `{api id}` | `COUNTER` | how many versions there are, and which one the search goes over |
//! | `{version id}` | `NAME` | where the version is |
//! | `{version id}` | `CHUNK#{n}`, `OPERATIONS#{n}`, `WARNINGS` | its packed document, its operations by 25, its warnings |
//! | `FIND#{organization}#{first letter}` | `{word}#{api id}#{version id}` | the numbers of the operations with a word |

mod apis;
mod batch;
mod content;
mod search;
mod services;
mod versions;

use serde::{Deserialize, Serialize};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{StoreError, Table};
use shared::id::OrganizationId;
use shared::principal::Party;
use shared::slug::Slug;
use shared::time::Time;

pub(crate) use apis::NewApi;
pub(crate) use content::Content;
pub(crate) use search::Hit;
pub(crate) use versions::Change;

/// Tries of a write that meets others of its kind.
const ATTEMPTS_MAX: u32 = 8;

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

    /// The organization of a slug, if it ever made an API.
    pub(crate) async fn organization(&self, slug: &Slug) -> Result<Option<OrganizationId>, StoreError> {
        let row: Option<OrganizationRow> = self.table.get(format!("SLUG#{slug}"), "ORG").await?;
        Ok(row.map(|row| row.id))
    }
}
