//! Checks: what a proposed document would do to the callers of an API, and what they are told.

use super::ApiName;
use crate::id::{ApiId, CheckId, NoticeId, OrganizationId, SubscriptionId, VersionId};
use crate::principal::Party;
use crate::time::Time;

/// How far a check is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckPhase {
    /// It is being made. One that stays so was broken off.
    Pending,
    /// The document may be published.
    Passed,
    /// The document may not be published.
    Failed,
}

/// A check of a proposed document against the version that was published when it was made.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct CheckState {
    /// Its id.
    pub id: CheckId,
    /// 1 while it is pending, 2 when it is complete; never changes afterwards.
    pub revision: u64,
    /// The organization that offers the API.
    pub organization: OrganizationId,
    /// The API.
    pub api: ApiId,
    /// The version that it was compared with; none where nothing was published.
    pub base: Option<VersionId>,
    /// SHA-256 of the document's bytes, in hexadecimal.
    pub document_sha256: String,
    /// The file of an archive that the document is about; empty for one file, or for all of an archive.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// How far it is.
    pub state: CheckPhase,
    /// The verdict, such as `compatible`; none while it is pending.
    pub verdict: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// Until when it holds, where it passed because of approvals that end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
}

/// Whether an API's versions are published only after a check that they pass.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckMode {
    /// A passing check of the document against the published version is needed.
    #[default]
    Required,
    /// Anything may be published.
    Off,
}

/// What an API's publishing goes by.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PolicyState {
    /// The API.
    pub id: ApiId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that offers the API.
    pub organization: OrganizationId,
    /// Whether a check is needed.
    pub check: CheckMode,
}

/// What a notice is about.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A version was published that changes what the subscription's calls use.
    Change,
    /// A version is going to end.
    Deprecation,
    /// A version has ended.
    Sunset,
}

/// What the consumer of a subscription is told of an API.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct NoticeState {
    /// Its id.
    pub id: NoticeId,
    /// Always 1: a notice never changes.
    pub revision: u64,
    /// The consumer, who is told.
    pub organization: OrganizationId,
    /// The organization that offers the API.
    pub provider: Party,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The API.
    pub api: ApiName,
    /// The version's name.
    pub version: String,
    /// What it is about.
    pub kind: NoticeKind,
    /// When the version ends, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<Time>,
    /// The check whose findings concern the subscription, where a version was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckId>,
    /// When what it is about happened.
    pub created_at: Time,
}
