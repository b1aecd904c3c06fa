//! The search: a word has one row per version, with the numbers of what has it, and one for each API and service that has it.

mod find;
mod named;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::WriteRequest;
use serde::{Deserialize, Serialize};
use shared::chassis::table::StoreError;
use shared::id::{ApiId, OrganizationId, ServiceId, VersionId};
use shared::slug::Slug;

use super::Store;
use super::batch::{delete, put};
use super::content::Searched;
use crate::domain::words::{self, Class};
use crate::domain::{Api, Version};

pub(crate) use find::{Hit, Question, Thing};
pub(super) use named::{change_api, change_service, forget_service};

/// What stands in the place of a version in the row of an API or a service.
const NO_VERSION: &str = "-";

/// The row of a word.
#[derive(Serialize, Deserialize)]
struct Posting {
    sk: String,
    /// The slug of the API or the service; `api` while there were no others.
    #[serde(alias = "api")]
    slug: Slug,
    /// The version's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    version: String,
    /// The name of the API or the service, where the row is one of these.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    about: String,
    /// Numbers by class.
    #[serde(default)]
    at: BTreeMap<String, String>,
}

/// Where the numbers of a row count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Service(ServiceId),
    Api(ApiId),
    Version(ApiId, VersionId),
}

fn partition(owner: OrganizationId, word: &str) -> String {
    format!("FIND#{owner}#{}", word.chars().next().unwrap_or('-'))
}

impl Place {
    /// The row of a word.
    fn row(self, word: &str) -> String {
        match self {
            Self::Service(id) => format!("{word}#{id}#{NO_VERSION}"),
            Self::Api(id) => format!("{word}#{id}#{NO_VERSION}"),
            Self::Version(api, id) => format!("{word}#{api}#{id}"),
        }
    }

    /// The word and the place of a row.
    fn of(sk: &str) -> Option<(&str, Self)> {
        let mut parts = sk.rsplitn(3, '#');
        let (version, id) = (parts.next()?, parts.next()?);
        let place = if version != NO_VERSION {
            Self::Version(id.parse().ok()?, version.parse().ok()?)
        } else if let Ok(api) = id.parse() {
            Self::Api(api)
        } else {
            Self::Service(id.parse().ok()?)
        };
        Some((parts.next()?, place))
    }
}

fn packed(lists: &BTreeMap<Class, Vec<u32>>) -> BTreeMap<String, String> {
    lists.iter().map(|(class, numbers)| (words::key(*class), words::pack(numbers))).collect()
}

impl Store {
    /// Makes what is in a version findable. It is found once the API's counter names the version.
    pub(super) async fn put_words(&self, api: &Api, version: &Version, searched: &Searched) -> Result<(), StoreError> {
        let place = Place::Version(api.id, version.id);
        let index = words::Index::of(&searched.operations, &searched.entries);
        let rows: Result<Vec<WriteRequest>, StoreError> = index
            .words
            .iter()
            .map(|(word, lists)| {
                let sk = place.row(word);
                let posting = Posting {
                    sk: sk.clone(),
                    slug: api.slug.clone(),
                    version: version.version.to_string(),
                    name: String::new(),
                    about: String::new(),
                    at: packed(lists),
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
        searched: &Searched,
    ) -> Result<(), StoreError> {
        let place = Place::Version(api.id, version);
        let index = words::Index::of(&searched.operations, &searched.entries);
        let rows: Result<Vec<WriteRequest>, StoreError> =
            index.words.keys().map(|word| delete(&partition(api.organization.id, word), place.row(word))).collect();
        self.write(rows?).await
    }
}
