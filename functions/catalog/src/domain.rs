//! The rules: what services, APIs and versions are, and how a version changes.

pub mod document;
mod entry;
pub mod gate;
mod names;
mod operation;
pub mod routes;
mod service;
pub mod words;

use serde::{Deserialize, Serialize};
use shared::event::{CurrentVersion, VersionPhase, Visibility};
use shared::id::{ApiId, VersionId};
use shared::principal::{Party, Principal};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;
use utoipa::ToSchema;

pub use entry::{ENTRIES_MAX, Entries, Entry};
pub use names::{HttpUrl, Origin, VersionLabel, VersionName};
pub use operation::{Binding, Operation};
pub use service::{Description, LINKS_MAX, Lifecycle, Link, LinkUrl, Service, ServiceRef};

use crate::upload::{Document, Syntax};

/// Organizations that may be invited to an API.
pub const PARTNERS_MAX: usize = 100;
/// Origins that an API may allow.
pub const ORIGINS_MAX: usize = 50;

/// Which pages may call an API from a browser (CORS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The pages' origins, or `*` for any. The door answers preflights itself, without a key and without counting them, and lets
    /// pages of these origins read its answers. It allows no cookies.
    #[schema(min_items = 1, max_items = 50)]
    pub origins: Vec<Origin>,
}

/// An API as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Its id.
    pub id: ApiId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that offers it.
    pub organization: Party,
    /// Its slug; never changes.
    pub slug: Slug,
    /// Its number in its organization, from 1.
    pub number: u32,
    /// Its name for people.
    pub name: Label,
    /// Who may see what is published of it.
    pub visibility: Visibility,
    /// The organizations that are invited, when it is `partner`.
    #[serde(default)]
    pub partners: Vec<Slug>,
    /// The service that offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,
    /// Where the door forwards its calls to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_url: Option<HttpUrl>,
    /// Which pages may call it from a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// The version that the door serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentVersion>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Api {
    /// Whether it stands in the public side's list at all.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.current.is_some() && self.visibility != Visibility::Private
    }

    /// Whether this caller may see what is published of it.
    #[must_use]
    pub fn is_visible_to(&self, caller: Option<&Principal>) -> bool {
        self.current.is_some()
            && match (self.visibility, caller) {
                (Visibility::Public, _) => true,
                (_, Some(caller)) if caller.organization.id == self.organization.id => true,
                (Visibility::Partner, Some(caller)) => self.partners.contains(&caller.organization.slug),
                _ => false,
            }
    }
}

/// A version as it is stored: all but the document, its operations and its warnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Raised by every change.
    pub revision: u64,
    /// The API.
    pub api: ApiId,
    /// Its name.
    pub version: VersionLabel,
    /// Its number in its API, from 1, in the order in which they came.
    pub number: u32,
    /// Where it is in its life.
    pub state: VersionPhase,
    /// The document's format.
    pub format: String,
    /// The format's version.
    pub format_version: String,
    /// How it is written, or the kind of archive.
    pub syntax: Syntax,
    /// The file of an archive that it is about, or the document's file name.
    #[serde(default)]
    pub root: String,
    /// What the document calls itself.
    pub title: String,
    /// What the document calls its version.
    pub document_version: String,
    /// How many operations it has.
    pub operations: u32,
    /// How many warnings there were.
    pub warnings: u32,
    /// How many parts its routes have.
    pub parts: u32,
    /// Bytes of the document, unpacked.
    pub document_bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal.
    pub document_sha256: String,
    /// Chunks that the packed document is stored in.
    pub chunks: u32,
    /// When it came.
    pub created_at: Time,
    /// When it was published (last).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// When it was deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<Time>,
    /// When a deprecated version ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<Time>,
    /// When it was retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
}

/// A step that a version's state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Step {
    /// Published from `retired`.
    #[error("The version is retired. What is retired stays so: upload a new version.")]
    Ended,
    /// Deprecated from `draft`.
    #[error("The version is a draft: only what is published can be deprecated.")]
    NotPublished,
    /// The current version retired without a warning to its callers.
    #[error("The version is the API's current one: deprecate it first, so that its callers are told.")]
    NotDeprecated,
}

impl Version {
    /// A draft of a document that was read.
    #[must_use]
    pub fn draft(api: &Api, label: VersionLabel, number: u32, document: &Document, now: Time) -> Self {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self {
            id: VersionId::new(),
            revision: 1,
            api: api.id,
            version: label,
            number,
            state: VersionPhase::Draft,
            format: document.format.clone(),
            format_version: document.format_version.clone(),
            syntax: document.syntax,
            root: document.root.clone(),
            title: document.title.clone(),
            document_version: document.api_version.clone(),
            operations: count(document.operations.len()),
            warnings: count(document.warnings.len()),
            parts: 0,
            document_bytes: 0,
            document_sha256: String::new(),
            chunks: 0,
            created_at: now,
            published_at: None,
            deprecated_at: None,
            sunset_at: None,
            retired_at: None,
        }
    }

    /// Whether the public side shows it.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        matches!(self.state, VersionPhase::Published | VersionPhase::Deprecated)
    }

    /// As the API names its current version.
    #[must_use]
    pub fn as_current(&self) -> CurrentVersion {
        CurrentVersion {
            id: self.id,
            version: self.version.to_string(),
            number: self.number,
            parts: self.parts,
            deprecated_at: self.deprecated_at,
            sunset_at: self.sunset_at,
        }
    }

    /// Published: a draft for the first time, anything older once more, a deprecated one after all. The current one stays published since when it was:
    /// whoever was told of it is not told again.
    pub fn publish(&mut self, is_current: bool, now: Time) -> Result<(), Step> {
        if self.state == VersionPhase::Retired {
            return Err(Step::Ended);
        }
        self.state = VersionPhase::Published;
        self.published_at = self.published_at.filter(|_| is_current).or(Some(now));
        (self.deprecated_at, self.sunset_at) = (None, None);
        self.revision += 1;
        Ok(())
    }

    /// Deprecated, or its end put to another day.
    pub fn deprecate(&mut self, sunset_at: Time, now: Time) -> Result<(), Step> {
        match self.state {
            VersionPhase::Draft => return Err(Step::NotPublished),
            VersionPhase::Retired => return Err(Step::Ended),
            VersionPhase::Published | VersionPhase::Deprecated => {}
        }
        self.state = VersionPhase::Deprecated;
        self.deprecated_at = self.deprecated_at.or(Some(now));
        self.sunset_at = Some(sunset_at);
        self.revision += 1;
        Ok(())
    }

    /// Retired: a draft that never came to be, or what was deprecated, or an older one.
    pub fn retire(&mut self, is_current: bool, now: Time) -> Result<(), Step> {
        match self.state {
            VersionPhase::Retired => return Err(Step::Ended),
            VersionPhase::Published if is_current => return Err(Step::NotDeprecated),
            _ => {}
        }
        self.state = VersionPhase::Retired;
        self.retired_at = Some(now);
        self.revision += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
