//! The table.
//!
//! | pk | sk | row |
//! | --- | --- | --- |
//! | `ORG#{organization}` | `KEY#{key}` | a key |
//! | `ORG#{organization}` | `SUB#{subscription}#{key}` | the same key again, in the list of its subscription |
//! | `ORG#{organization}` | `RING#{subscription}` | the numbers and the live keys of a subscription |
//! | `ORG#{organization}` | `OUT#{uuid}` | outbox |
//! | `IDEM#…` | `IDEM` | the answer to a request that may be repeated, without its secret |

use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{Row, Slice, StoreError, Table};
use shared::chassis::transaction::{Commit, Transaction};
use shared::id::{KeyId, OrganizationId, SubscriptionId};
use shared::page::PageRequest;
use shared::time::Time;

use crate::domain::{Key, Ring};

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
}

/// What is written of a request, besides keys.
pub(crate) struct Write<'a> {
    /// Whose keys.
    pub(crate) organization: OrganizationId,
    /// When.
    pub(crate) now: Time,
    /// Recognises the request when it comes again.
    pub(crate) idempotency: Option<&'a Idempotency>,
    /// What is answered then.
    pub(crate) reply: &'a Reply,
}

fn org_pk(organization: OrganizationId) -> String {
    format!("ORG#{organization}")
}

fn key_sk(id: KeyId) -> String {
    format!("KEY#{id}")
}

fn list_prefix(subscription: SubscriptionId) -> String {
    format!("SUB#{subscription}#")
}

fn ring_sk(subscription: SubscriptionId) -> String {
    format!("RING#{subscription}")
}

impl Store {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    pub(crate) async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, StoreError> {
        self.table.replay(idempotency).await
    }

    pub(crate) async fn key(&self, organization: OrganizationId, id: KeyId) -> Result<Option<Key>, StoreError> {
        self.table.get(org_pk(organization), key_sk(id)).await
    }

    pub(crate) async fn ring(
        &self,
        organization: OrganizationId,
        subscription: SubscriptionId,
    ) -> Result<Option<Ring>, StoreError> {
        self.table.get(org_pk(organization), ring_sk(subscription)).await
    }

    /// All keys of an organization, or those of one subscription.
    pub(crate) async fn keys(
        &self,
        organization: OrganizationId,
        subscription: Option<SubscriptionId>,
        page: &PageRequest,
    ) -> Result<Slice<Key>, StoreError> {
        let prefix = subscription.map_or_else(|| "KEY#".to_owned(), list_prefix);
        self.table.list(&org_pk(organization), &prefix, page.after.as_deref(), page.size).await
    }

    /// Writes a new key.
    pub(crate) async fn issue(&self, write: &Write<'_>, ring: &Ring, key: &Key) -> Result<Outcome, StoreError> {
        let pk = org_pk(write.organization);
        let mut transaction = self.table.transaction();
        put_ring(&mut transaction, &pk, key.state.subscription, ring)?;
        create(&mut transaction, &pk, key, write.now)?;
        transaction.remember(write.idempotency, write.reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Writes a rotation: the successor is new, the key itself changed.
    pub(crate) async fn rotate(
        &self,
        write: &Write<'_>,
        ring: &Ring,
        old: &Key,
        successor: &Key,
    ) -> Result<Outcome, StoreError> {
        let pk = org_pk(write.organization);
        let mut transaction = self.table.transaction();
        put_ring(&mut transaction, &pk, old.state.subscription, ring)?;
        replace(&mut transaction, &pk, old, write.now)?;
        create(&mut transaction, &pk, successor, write.now)?;
        transaction.remember(write.idempotency, write.reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Writes a revocation.
    pub(crate) async fn revoke(&self, write: &Write<'_>, ring: &Ring, key: &Key) -> Result<Outcome, StoreError> {
        let pk = org_pk(write.organization);
        let mut transaction = self.table.transaction();
        put_ring(&mut transaction, &pk, key.state.subscription, ring)?;
        replace(&mut transaction, &pk, key, write.now)?;
        transaction.remember(write.idempotency, write.reply)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Writes a key whose name changed.
    pub(crate) async fn rename(
        &self,
        organization: OrganizationId,
        key: &Key,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let mut transaction = self.table.transaction();
        replace(&mut transaction, &org_pk(organization), key, now)?;
        Ok(outcome(transaction.commit().await?))
    }

    /// Takes back a key that was never handed out: it is revoked, and the request that made it may come again as a new one.
    pub(crate) async fn abandon(
        &self,
        organization: OrganizationId,
        now: Time,
        idempotency: Option<&Idempotency>,
        ring: &Ring,
        key: &Key,
    ) -> Result<Outcome, StoreError> {
        let pk = org_pk(organization);
        let mut transaction = self.table.transaction();
        put_ring(&mut transaction, &pk, key.state.subscription, ring)?;
        replace(&mut transaction, &pk, key, now)?;
        transaction.forget(idempotency)?;
        Ok(outcome(transaction.commit().await?))
    }
}

/// The ring in place of the one before it. What two requests read of it, only one of them can rewrite.
fn put_ring(
    transaction: &mut Transaction<'_>,
    pk: &str,
    subscription: SubscriptionId,
    ring: &Ring,
) -> Result<(), StoreError> {
    let row = Row::new(pk, ring_sk(subscription), ring)?;
    match ring.revision - 1 {
        0 => transaction.create("ring", row),
        before => transaction.replace("ring", row, before),
    }
}

fn create(transaction: &mut Transaction<'_>, pk: &str, key: &Key, now: Time) -> Result<(), StoreError> {
    transaction.create("key", Row::new(pk, key_sk(key.state.id), key)?)?;
    follow(transaction, pk, key, now)
}

fn replace(transaction: &mut Transaction<'_>, pk: &str, key: &Key, now: Time) -> Result<(), StoreError> {
    transaction.replace("key", Row::new(pk, key_sk(key.state.id), key)?, key.revision - 1)?;
    follow(transaction, pk, key, now)
}

/// What follows every write of a key: its entry in the list (unconditional, because the key itself has a condition), and its event.
fn follow(transaction: &mut Transaction<'_>, pk: &str, key: &Key, now: Time) -> Result<(), StoreError> {
    transaction.put("entry", Row::new(pk, format!("{}{}", list_prefix(key.state.subscription), key.state.id), key)?)?;
    transaction.emit(pk, &key.state, now)
}

fn outcome(commit: Commit) -> Outcome {
    match commit {
        Commit::Done => Outcome::Done,
        Commit::Replay(reply) => Outcome::Replay(reply),
        Commit::Refused { .. } => Outcome::Stale,
    }
}
