//! Policies and approvals.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{ALL_OLD, Row, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::PolicyState;
use shared::id::{ApiId, OrganizationId};
use shared::time::Time;

use super::{Store, api_pk};
use crate::approvals::Approval;
use crate::policy::Policy;

const POLICY_SK: &str = "POLICY";

/// A policy as it is kept. Revision 0 is the default, which is not kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredPolicy {
    pub(crate) revision: u64,
    pub(crate) policy: Policy,
}

fn approval_sk(fingerprint: &str) -> String {
    format!("APPROVAL#{fingerprint}")
}

impl Store {
    /// The policy of an API.
    pub(crate) async fn policy(&self, api: ApiId) -> Result<StoredPolicy, StoreError> {
        Ok(self.table.get(api_pk(api), POLICY_SK).await?.unwrap_or_default())
    }

    /// Writes a policy in the place of one of this revision. Whether that was still there.
    pub(crate) async fn put_policy(
        &self,
        (organization, api): (OrganizationId, ApiId),
        policy: &Policy,
        before: u64,
        now: Time,
    ) -> Result<Option<StoredPolicy>, StoreError> {
        let pk = api_pk(api);
        let stored = StoredPolicy { revision: before + 1, policy: policy.clone() };
        let row = Row::new(&pk, POLICY_SK, &stored)?;
        let mut transaction = self.table.transaction();
        if before == 0 {
            transaction.create("policy", row)?;
        } else {
            transaction.replace("policy", row, before)?;
        }
        let event = PolicyState { id: api, revision: stored.revision, organization, check: policy.check };
        transaction.emit(&pk, &event, now)?;
        Ok(match transaction.commit().await? {
            Commit::Done => Some(stored),
            Commit::Refused { .. } | Commit::Replay(_) => None,
        })
    }

    /// All approvals of an API, those that have ended too, by fingerprint.
    pub(crate) async fn approvals(&self, api: ApiId) -> Result<BTreeMap<String, Approval>, StoreError> {
        let approvals: Vec<Approval> = self.all(&api_pk(api), "APPROVAL#").await?;
        Ok(approvals.into_iter().map(|approval| (approval.fingerprint.clone(), approval)).collect())
    }

    /// An approval.
    pub(crate) async fn approval(&self, api: ApiId, fingerprint: &str) -> Result<Option<Approval>, StoreError> {
        self.table.get(api_pk(api), approval_sk(fingerprint)).await
    }

    /// The answer to a request that came before.
    pub(crate) async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, StoreError> {
        self.table.replay(idempotency).await
    }

    /// Writes an approval, in the place of one that has ended. What to answer; nothing where one holds.
    pub(crate) async fn put_approval(
        &self,
        api: ApiId,
        approval: &Approval,
        idempotency: Option<&Idempotency>,
        reply: Reply,
    ) -> Result<Option<Reply>, StoreError> {
        let mut transaction = self.table.transaction();
        let row = Row::new(api_pk(api), approval_sk(&approval.fingerprint), approval)?;
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(row.into_item()))
            // Times sort as they are written.
            .condition_expression("attribute_not_exists(pk) OR #until <= :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", AttributeValue::S(approval.created_at.to_string()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push("approval", TransactWriteItem::builder().put(put).build());
        transaction.remember(idempotency, &reply)?;
        Ok(match transaction.commit().await? {
            Commit::Done => Some(reply),
            Commit::Replay(earlier) => Some(earlier),
            Commit::Refused { .. } => None,
        })
    }

    /// Withdraws an approval, and ends the checks that passed because of it.
    pub(crate) async fn withdraw_approval(&self, api: ApiId, fingerprint: &str, now: Time) -> Result<(), StoreError> {
        // Before, so that one that is broken off can be withdrawn again; and afterwards, because a check may have been completed in between. One that is
        // completed later looks for its approvals itself.
        self.end_those_of(api, fingerprint, now).await?;
        let mut transaction = self.table.transaction();
        transaction.delete("approval", api_pk(api), approval_sk(fingerprint), None)?;
        transaction.commit().await?;
        self.end_those_of(api, fingerprint, now).await
    }
}
