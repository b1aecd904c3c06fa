//! Approvals: findings that an organization lets pass, each by its fingerprint, until a day.

use serde::{Deserialize, Serialize};
use shared::time::Time;
use utoipa::ToSchema;

/// How far ahead an approval may end, in days.
pub const DAYS_MAX: i64 = 366;

/// A finding that may pass until a day. It holds for this finding alone: when the change becomes another, so does its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// The finding.
    pub fingerprint: String,
    /// Who approved it: the id of the token or the member.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Time,
    /// When it was approved.
    pub created_at: Time,
}

/// Whether a text is the fingerprint of a finding.
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
