//! What `contracts` told: the checks of documents, and the policies of APIs.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::event::{CheckPhase, CheckState, PolicyState};
use shared::id::{ApiId, VersionId};
use shared::time::Time;

use super::Store;
use super::versions::version_row;
use crate::domain::gate::{Checks, KEPT_MS, Question};
use crate::domain::{Api, Version};
use crate::error::Error;

const POLICY_SK: &str = "POLICY";

/// A check as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    /// What is newer sorts behind: when it was asked for, its id, its revision.
    newness: &'a str,
    #[serde(flatten)]
    check: &'a CheckState,
}

/// Where the checks of a document against a version are: the newest that is complete, and the newest that is not.
fn checks_row(document_sha256: &str, base: Option<VersionId>) -> String {
    let base = base.map_or_else(|| "none".to_owned(), |base| base.to_string());
    format!("CHECK#{document_sha256}#{base}#")
}

impl Store {
    /// Keeps a check, unless a newer one of the same document and version is there. What is on its way has a row of its own, so that
    /// one that never completes hides none that did.
    pub(crate) async fn keep_check(&self, check: &CheckState) -> Result<(), StoreError> {
        let newness = format!("{:020}#{}#{:020}", check.created_at.ms(), check.id, check.revision);
        let phase = if check.state == CheckPhase::Pending { "PENDING" } else { "COMPLETE" };
        let sk = format!("{}{phase}", checks_row(&check.document_sha256, check.base));
        let row = Row::new(check.api.to_string(), sk, &Kept { newness: &newness, check })?
            .ttl(check.created_at.plus_ms(KEPT_MS).seconds());
        let written = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row.into_item()))
            .condition_expression("attribute_not_exists(pk) OR newness < :newness")
            .expression_attribute_values(":newness", AttributeValue::S(newness))
            .send()
            .await;
        match written {
            Err(error)
                if !error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(error.into())
            }
            // Written, or a newer one is there.
            _ => Ok(()),
        }
    }

    /// Keeps the newest policy of an API.
    pub(crate) async fn keep_policy(&self, policy: &PolicyState) -> Result<(), StoreError> {
        self.table.project(Row::new(policy.id.to_string(), POLICY_SK, policy)?, policy.revision).await.map(drop)
    }

    /// The newest policy of an API that was told.
    pub(crate) async fn policy(&self, api: ApiId) -> Result<Option<PolicyState>, StoreError> {
        self.table.get(api.to_string(), POLICY_SK).await
    }

    /// The newest checks of a document against a version.
    async fn checks(&self, api: ApiId, document_sha256: &str, base: VersionId) -> Result<Checks, StoreError> {
        let prefix = checks_row(document_sha256, Some(base));
        let kept: Slice<CheckState> = self.table.list(&api.to_string(), &prefix, None, 2).await?;
        let mut checks = Checks::default();
        for check in kept.rows {
            let place = if check.state == CheckPhase::Pending { &mut checks.pending } else { &mut checks.complete };
            *place = Some(check);
        }
        Ok(checks)
    }

    /// Refuses to publish what needs a check and has none that passed. It goes by the current version of `api` as it was read: who
    /// writes afterwards must require that revision of the API.
    pub(super) async fn require_check(&self, api: &Api, version: &Version, now: Time) -> Result<(), Error> {
        let Some(named) = api.current.as_ref().filter(|current| current.id != version.id) else { return Ok(()) };
        let current: Version =
            self.table.get(api.id.to_string(), version_row(named.number)).await?.ok_or(Error::Contended)?;
        let policy = self.policy(api.id).await?;
        let checks = self.checks(api.id, &version.document_sha256, named.id).await?;
        let question = Question { api, version, current: Some(&current), policy: policy.as_ref(), checks: &checks };
        question.decide(now).map_err(|held| Error::Held { held, detail: question.explain(held) })
    }
}
