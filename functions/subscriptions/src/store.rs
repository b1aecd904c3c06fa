//! The table.
//!
//! | pk | sk | row |
//! | --- | --- | --- |
//! | `ORG#{organization}` | `APP#{app}` | an app |
//! | `ORG#{organization}` | `LIVE#{app}` | how many of its subscriptions are not cancelled |
//! | `ORG#{organization}` | `CONSUMER#{subscription}`, `PROVIDER#{subscription}` | an entry of a side's list |
//! | `SUB#{subscription}` | `SUB` | a subscription with its terms |
//! | `ORG#…`, `SUB#…` | `OUT#{uuid}` | outbox |
//! | `IDEM#…` | `IDEM` | the answer to a request that may be repeated |

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{ALL_OLD, Row, Slice, StoreError, Table};
use shared::chassis::transaction::{Commit, Transaction};
use shared::event::AppState;
use shared::id::{AppId, OrganizationId, SubscriptionId};
use shared::page::PageRequest;
use shared::time::Time;

use crate::domain::{App, LIVE_MAX, Side, Subscription, Summary};

/// The function's table.
#[derive(Clone)]
pub(crate) struct Store {
    table: Table,
}

/// What came of a change.
pub(crate) enum Outcome {
    /// It is written.
    Done,
    /// The request came before, and this was its answer.
    Replay(Reply),
    /// It was changed in the meantime; nothing was written.
    Stale,
    /// Other rows stand against it; nothing was written.
    Against(Obstacle),
}

/// What stands against a change of or with an app.
pub(crate) enum Obstacle {
    /// The app is gone.
    Gone,
    /// The app has as many live subscriptions as it may have.
    Full,
    /// The app has live subscriptions.
    InUse,
}

fn org_pk(organization: OrganizationId) -> String {
    format!("ORG#{organization}")
}

fn sub_pk(id: SubscriptionId) -> String {
    format!("SUB#{id}")
}

fn app_sk(id: AppId) -> String {
    format!("APP#{id}")
}

fn live_sk(id: AppId) -> String {
    format!("LIVE#{id}")
}

fn side_prefix(side: Side) -> &'static str {
    match side {
        Side::Consumer => "CONSUMER#",
        Side::Provider => "PROVIDER#",
    }
}

/// How many of an app's subscriptions are not cancelled. Counted by additions, so that two subscriptions of one app need not wait
/// for each other.
#[derive(serde::Serialize)]
struct Live {
    live: u32,
}

impl Store {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    pub(crate) async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, StoreError> {
        self.table.replay(idempotency).await
    }

    pub(crate) async fn app(&self, organization: OrganizationId, id: AppId) -> Result<Option<App>, StoreError> {
        self.table.get(org_pk(organization), app_sk(id)).await
    }

    pub(crate) async fn apps(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Slice<App>, StoreError> {
        self.table.list(&org_pk(organization), "APP#", page.after.as_deref(), page.size).await
    }

    pub(crate) async fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.table.get(sub_pk(id), "SUB").await
    }

    pub(crate) async fn subscriptions(
        &self,
        organization: OrganizationId,
        side: Side,
        page: &PageRequest,
    ) -> Result<Slice<Summary>, StoreError> {
        self.table.list(&org_pk(organization), side_prefix(side), page.after.as_deref(), page.size).await
    }

    pub(crate) async fn create_app(
        &self,
        app: &App,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let pk = org_pk(app.organization.id);
        let mut transaction = self.table.transaction();
        transaction.create("app", Row::new(&pk, app_sk(app.id), app)?)?;
        transaction.put("live", Row::new(&pk, live_sk(app.id), &Live { live: 0 })?)?;
        transaction.emit(&pk, &app.state(), now)?;
        transaction.remember(idempotency, reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    pub(crate) async fn change_app(&self, app: &App, from: u64, now: Time) -> Result<Outcome, StoreError> {
        let pk = org_pk(app.organization.id);
        let mut transaction = self.table.transaction();
        transaction.replace("app", Row::new(&pk, app_sk(app.id), app)?, from)?;
        transaction.emit(&pk, &app.state(), now)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Removes an app that has no live subscription.
    pub(crate) async fn delete_app(&self, app: &App, now: Time) -> Result<Outcome, StoreError> {
        /// Nobody subscribes while the app goes: [`Store::subscribe`] counts on this row in its own transaction.
        const UNUSED: &str = "live = :zero";
        let pk = org_pk(app.organization.id);
        let mut transaction = self.table.transaction();
        let live = Delete::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(pk.clone()))
            .key("sk", AttributeValue::S(live_sk(app.id)))
            .condition_expression(UNUSED)
            .expression_attribute_values(":zero", AttributeValue::N("0".into()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push("unused", TransactWriteItem::builder().delete(live).build());
        transaction.delete("app", &pk, app_sk(app.id), Some(app.revision))?;
        transaction.emit_gone::<AppState>(&pk, app.id.to_string(), app.revision + 1, now)?;
        Ok(outcome(transaction.commit().await?))
    }

    pub(crate) async fn subscribe(
        &self,
        subscription: &Subscription,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let pk = sub_pk(subscription.state.id);
        let mut transaction = self.table.transaction();
        self.count(&mut transaction, subscription, 1)?;
        transaction.create("subscription", Row::new(&pk, "SUB", subscription)?)?;
        entries(&mut transaction, subscription)?;
        transaction.emit(&pk, &subscription.state, now)?;
        transaction.remember(idempotency, reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Writes a subscription in place of the one with the revision `from`.
    pub(crate) async fn change(
        &self,
        subscription: &Subscription,
        from: u64,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let pk = sub_pk(subscription.state.id);
        let mut transaction = self.table.transaction();
        transaction.replace("subscription", Row::new(&pk, "SUB", subscription)?, from)?;
        entries(&mut transaction, subscription)?;
        if !subscription.is_live() {
            // Nothing follows `cancelled`, so that each subscription is taken off once.
            self.count(&mut transaction, subscription, -1)?;
        }
        transaction.emit(&pk, &subscription.state, now)?;
        transaction.remember(idempotency, reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Counts a live subscription of its app, or takes it off.
    fn count(&self, transaction: &mut Transaction<'_>, subscription: &Subscription, by: i32) -> Result<(), StoreError> {
        /// An app that is gone has no row, and no app has more than its share.
        const ROOM: &str = "attribute_exists(pk) AND live < :max";
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(org_pk(subscription.state.organization.id)))
            .key("sk", AttributeValue::S(live_sk(subscription.state.app)))
            .update_expression("ADD live :by")
            .expression_attribute_values(":by", AttributeValue::N(by.to_string()));
        if by > 0 {
            update = update
                .condition_expression(ROOM)
                .expression_attribute_values(":max", AttributeValue::N(LIVE_MAX.to_string()))
                .return_values_on_condition_check_failure(ALL_OLD);
        }
        let update = update.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push("room", TransactWriteItem::builder().update(update).build());
        Ok(())
    }
}

/// The entries of both sides' lists. Unconditional: they are written with the subscription, which has a condition.
fn entries(transaction: &mut Transaction<'_>, subscription: &Subscription) -> Result<(), StoreError> {
    let summary = Summary::of(subscription);
    for (side, organization) in [(Side::Consumer, &summary.organization), (Side::Provider, &summary.provider)] {
        transaction.put(
            "entry",
            Row::new(org_pk(organization.id), format!("{}{}", side_prefix(side), summary.id), &summary)?,
        )?;
    }
    Ok(())
}

fn outcome(commit: Commit) -> Outcome {
    match commit {
        Commit::Done => Outcome::Done,
        Commit::Replay(reply) => Outcome::Replay(reply),
        Commit::Refused { label: "room", old: None } => Outcome::Against(Obstacle::Gone),
        Commit::Refused { label: "room", .. } => Outcome::Against(Obstacle::Full),
        // No row is left where the app went in the meantime.
        Commit::Refused { label: "unused", old: Some(_) } => Outcome::Against(Obstacle::InUse),
        Commit::Refused { .. } => Outcome::Stale,
    }
}
