//! What is shown of an API and a version, to its own organization and to others.

use serde::Serialize;
use shared::event::{CheckMode, VersionPhase, Visibility};
use shared::id::{ApiId, VersionId};
use shared::principal::Party;
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;
use utoipa::ToSchema;

use crate::domain::{Api, Cors, HttpUrl, ServiceRef, Version, VersionLabel};
use crate::upload::{Syntax, Warning};

/// The version of an API that the door serves.
#[derive(Serialize, ToSchema)]
pub(super) struct Current {
    /// Its id.
    id: VersionId,
    /// Its name.
    version: String,
    /// When it was deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Time>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<Time>,
}

fn current(api: &Api) -> Option<Current> {
    api.current.as_ref().map(|current| Current {
        id: current.id,
        version: current.version.clone(),
        deprecated_at: current.deprecated_at,
        sunset_at: current.sunset_at,
    })
}

/// An API, as its own organization sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Api)]
pub(super) struct ApiView {
    /// Its id.
    id: ApiId,
    /// Raised by every change.
    revision: u64,
    /// The organization that offers it.
    organization: Party,
    /// Its slug; never changes.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Who may see what is published of it.
    visibility: Visibility,
    /// The organizations that are invited, when it is `partner`.
    partners: Vec<Slug>,
    /// The service that offers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceRef>,
    /// Where the door forwards its calls to.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_url: Option<HttpUrl>,
    /// Which pages may call it from a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    cors: Option<Cors>,
    /// The version that the door serves: the one published last.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Current>,
    /// Whether another document is published only after a check that it passes against the current version. Not shown in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckMode>,
    /// When it was made.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

impl From<&Api> for ApiView {
    fn from(api: &Api) -> Self {
        Self {
            id: api.id,
            revision: api.revision,
            organization: api.organization.clone(),
            slug: api.slug.clone(),
            name: api.name.clone(),
            visibility: api.visibility,
            partners: api.partners.clone(),
            service: api.service.clone(),
            upstream_url: api.upstream_url.clone(),
            cors: api.cors.clone(),
            current: current(api),
            check: None,
            created_at: api.created_at,
            updated_at: api.updated_at,
        }
    }
}

impl ApiView {
    /// With what its publishing goes by.
    pub(super) fn checked(self, mode: CheckMode) -> Self {
        Self { check: Some(mode), ..self }
    }
}

/// An API, as others see it.
#[derive(Serialize, ToSchema)]
pub(super) struct PublicApi {
    /// Its id.
    id: ApiId,
    /// The organization that offers it.
    organization: Party,
    /// Its slug.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Who may see it.
    visibility: Visibility,
    /// The version that the door serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Current>,
}

impl From<&Api> for PublicApi {
    fn from(api: &Api) -> Self {
        Self {
            id: api.id,
            organization: api.organization.clone(),
            slug: api.slug.clone(),
            name: api.name.clone(),
            visibility: api.visibility,
            current: current(api),
        }
    }
}

/// A version in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub(super) struct VersionView {
    /// Its id.
    id: VersionId,
    /// Raised by every change.
    revision: u64,
    /// The API.
    api: ApiId,
    /// Its name.
    version: VersionLabel,
    /// `draft`, `published`, `deprecated`, `retired`.
    state: VersionPhase,
    /// The document's format: `openapi`, `graphql` or `protobuf`.
    format: String,
    /// The format's version, such as `3.1.0` or `proto3`; empty where the document names none.
    format_version: String,
    /// How the document is written.
    syntax: Syntax,
    /// What the document calls itself.
    title: String,
    /// What the document calls its version.
    document_version: String,
    /// How many operations it has.
    operations: u32,
    /// Bytes of the document.
    document_bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal.
    document_sha256: String,
    /// When it came.
    created_at: Time,
    /// When it was published last.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<Time>,
    /// When it was deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Time>,
    /// When a deprecated version ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<Time>,
    /// When it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Time>,
}

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id,
            revision: version.revision,
            api: version.api,
            version: version.version.clone(),
            state: version.state,
            format: version.format.clone(),
            format_version: version.format_version.clone(),
            syntax: version.syntax,
            title: version.title.clone(),
            document_version: version.document_version.clone(),
            operations: version.operations,
            document_bytes: version.document_bytes,
            document_sha256: version.document_sha256.clone(),
            created_at: version.created_at,
            published_at: version.published_at,
            deprecated_at: version.deprecated_at,
            sunset_at: version.sunset_at,
            retired_at: version.retired_at,
        }
    }
}

/// A version with the warnings of its document.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionWithWarnings {
    #[serde(flatten)]
    version: VersionView,
    /// What is wrong with the document and did not keep it from being read: at most 101.
    warnings: Vec<Warning>,
}

impl VersionWithWarnings {
    pub(super) fn of(version: &Version, warnings: Vec<Warning>) -> Self {
        Self { version: version.into(), warnings }
    }
}

/// A version, as others see it.
#[derive(Serialize, ToSchema)]
pub(super) struct PublicVersion {
    /// Its id.
    id: VersionId,
    /// Its name.
    version: VersionLabel,
    /// `published` or `deprecated`.
    state: VersionPhase,
    /// The document's format: `openapi`, `graphql` or `protobuf`.
    format: String,
    /// The format's version, such as `3.1.0` or `proto3`; empty where the document names none.
    format_version: String,
    /// How the document is written.
    syntax: Syntax,
    /// What the document calls itself.
    title: String,
    /// How many operations it has.
    operations: u32,
    /// Bytes of the document.
    document_bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal.
    document_sha256: String,
    /// When it was published last.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<Time>,
    /// When it was deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    deprecated_at: Option<Time>,
    /// When a deprecated version ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_at: Option<Time>,
}

impl From<&Version> for PublicVersion {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id,
            version: version.version.clone(),
            state: version.state,
            format: version.format.clone(),
            format_version: version.format_version.clone(),
            syntax: version.syntax,
            title: version.title.clone(),
            operations: version.operations,
            document_bytes: version.document_bytes,
            document_sha256: version.document_sha256.clone(),
            published_at: version.published_at,
            deprecated_at: version.deprecated_at,
            sunset_at: version.sunset_at,
        }
    }
}
