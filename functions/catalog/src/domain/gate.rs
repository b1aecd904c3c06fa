//! Whether a version may be published: the check that it needs, and what is known of one.

use shared::event::{CheckMode, CheckPhase, CheckState, PolicyState};
use shared::id::CheckId;
use shared::time::Time;

use super::{Api, Version};
use crate::upload::Syntax;

/// How long a check that is not complete keeps others waiting: one that stays so longer was broken off.
pub const PENDING_MS: i64 = 10 * 60 * 1000;
/// How long a check is kept, and counts.
pub const KEPT_MS: i64 = 90 * 24 * 3600 * 1000;

/// The newest checks of one document against one version.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// The newest of those that were asked for, until it is complete.
    pub pending: Option<CheckState>,
    /// The newest of those that are complete.
    pub complete: Option<CheckState>,
}

/// All that publishing a version goes by.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The API.
    pub api: &'a Api,
    /// The version that is to be published.
    pub version: &'a Version,
    /// The API's current version.
    pub current: Option<&'a Version>,
    /// What is known of the API's policy.
    pub policy: Option<&'a PolicyState>,
    /// What is known of checks of the version's document against the current version.
    pub checks: &'a Checks,
}

/// Why a version may not be published yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// There is no check that counts.
    Unchecked,
    /// The check passed because of an approval that has ended.
    Ended(Time),
    /// The check is being made.
    Pending(CheckId),
    /// The check failed.
    Failed(CheckId),
}

/// Whether an API's versions need a check: what its own organization says, `required` where it says nothing.
#[must_use]
pub fn mode(api: &Api, policy: Option<&PolicyState>) -> CheckMode {
    policy
        .filter(|policy| policy.id == api.id && policy.organization == api.organization.id)
        .map_or(CheckMode::default(), |policy| policy.check)
}

/// Whether two versions are one document, read the same way. In an archive, another root is another document.
fn is_same(one: &Version, other: &Version) -> bool {
    one.document_sha256 == other.document_sha256
        && one.format == other.format
        && (one.root == other.root || !is_archive(other))
}

/// Whether a version has several files, of which one may be meant.
fn is_archive(version: &Version) -> bool {
    matches!(version.syntax, Syntax::Zip | Syntax::Tar)
}

impl Question<'_> {
    /// Whether the version may be published now.
    ///
    /// # Errors
    /// Why not.
    pub fn decide(&self, now: Time) -> Result<(), Held> {
        let Some(current) = self.current else { return Ok(()) };
        if is_same(current, self.version) || mode(self.api, self.policy) == CheckMode::Off {
            return Ok(());
        }
        // The newest check is what counts, be it complete or on its way.
        let complete = self.checks.complete.as_ref().filter(|check| self.concerns(check, current, now));
        let pending = self.checks.pending.as_ref().filter(|check| {
            self.concerns(check, current, now)
                && now < check.created_at.plus_ms(PENDING_MS)
                && complete.is_none_or(|complete| (complete.created_at, complete.id) < (check.created_at, check.id))
        });
        let Some(check) = pending.or(complete) else { return Err(Held::Unchecked) };
        match (check.state, check.valid_until) {
            (CheckPhase::Pending, _) => Err(Held::Pending(check.id)),
            (CheckPhase::Failed, _) => Err(Held::Failed(check.id)),
            (CheckPhase::Passed, Some(until)) if until <= now => Err(Held::Ended(until)),
            (CheckPhase::Passed, _) => Ok(()),
        }
    }

    /// Whether a check is of this document and this API against its current version, made by who offers the API, and not too old.
    fn concerns(&self, check: &CheckState, current: &Version, now: Time) -> bool {
        check.api == self.api.id
            && check.organization == self.api.organization.id
            && check.base == Some(current.id)
            && check.document_sha256 == self.version.document_sha256
            && (check.root == self.version.root || !is_archive(self.version))
            && now < check.created_at.plus_ms(KEPT_MS)
    }

    /// What is said to who may not publish: why, and what to do.
    #[must_use]
    pub fn explain(&self, held: Held) -> String {
        let (api, version) = (&self.api.slug, &self.version.version);
        let current = self.current.map_or(String::new(), |current| current.version.to_string());
        let (check, pair) = (
            format!("with the document as the body of `POST /v1/contracts/checks?api={api}&version={version}`"),
            format!("`{version}` against the published version `{current}`"),
        );
        match held {
            Held::Unchecked => format!(
                "The API needs a check before it changes, and there is none of the document of {pair}: check it, {check}, and publish when it has passed."
            ),
            Held::Ended(until) => format!(
                "The check of {pair} passed because of an approval that ended at {until}: have it approved again, check again, {check}, and publish when it has passed."
            ),
            Held::Pending(id) => format!(
                "The check of {pair} is being made: publish when `GET /v1/contracts/checks/{id}` says that it has passed. When it is not complete after ten minutes, check again, {check}."
            ),
            Held::Failed(id) => format!(
                "The check of {pair} failed: `GET /v1/contracts/checks/{id}` says what would break for whom. Upload another document under a new name, or have what it found approved and check again, {check}."
            ),
        }
    }
}

#[cfg(test)]
mod tests;
