//! One atomic write: the rows, their events in the outbox, and the answer to remember for a repeated request.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};

use super::extract::Idempotency;
use super::reply::Reply;
use super::table::{ALL_OLD, Item, Remembered, Row, StoreError, Table};
use super::told;
use crate::event::{Envelope, State};
use crate::time::Time;

/// A repeated request is recognised for a day.
const REMEMBERED_S: i64 = 24 * 3600;
/// An event stays in the outbox for two days: twice as long as a stream keeps it.
const OUTBOX_S: i64 = 48 * 3600;
const ATTEMPTS_MAX: u32 = 6;

/// The row that makes an event go out.
pub(super) fn outbox(pk: &str, envelope: &Envelope, now: Time) -> Result<Row, StoreError> {
    Ok(Row::new(pk, format!("OUT#{}", uuid::Uuid::now_v7()), envelope)?.ttl(now.seconds() + OUTBOX_S))
}

/// What came of a transaction. Nothing was written unless it is `Done`.
#[derive(Clone, Debug)]
pub enum Commit {
    /// All of it was written.
    Done,
    /// A condition did not hold: that of the write with this label. `old` is the row that stood in the way, if one did.
    Refused {
        /// The write's label.
        label: &'static str,
        /// The row as it is.
        old: Option<Item>,
    },
    /// The request came before: this was its answer.
    Replay(Reply),
}

/// An atomic write in the making. Labels tell in [`Commit::Refused`] which condition did not hold.
#[derive(Debug)]
pub struct Transaction<'a> {
    table: &'a Table,
    writes: Vec<(&'static str, TransactWriteItem)>,
    idempotency: Option<Idempotency>,
}

const IDEMPOTENCY: &str = "idempotency";

impl<'a> Transaction<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { table, writes: Vec::new(), idempotency: None }
    }

    fn build_error(error: impl std::fmt::Display) -> StoreError {
        StoreError::Unavailable(error.to_string())
    }

    /// Any write; give it `ALL_OLD` where it has a condition.
    pub fn push(&mut self, label: &'static str, write: TransactWriteItem) {
        self.writes.push((label, write));
    }

    /// A row that must not exist yet.
    pub fn create(&mut self, label: &'static str, row: Row) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(row.0))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(Self::build_error)?;
        self.push(label, TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// A row in place of the one with this `revision`.
    pub fn replace(&mut self, label: &'static str, row: Row, revision: u64) -> Result<(), StoreError> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(row.0))
            .condition_expression("revision = :revision")
            .expression_attribute_values(":revision", AttributeValue::N(revision.to_string()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(Self::build_error)?;
        self.push(label, TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// A row, whatever was there.
    pub fn put(&mut self, label: &'static str, row: Row) -> Result<(), StoreError> {
        let put =
            Put::builder().table_name(&self.table.name).set_item(Some(row.0)).build().map_err(Self::build_error)?;
        self.push(label, TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// Removes the row with this `revision`; with none, whatever is there.
    pub fn delete(
        &mut self,
        label: &'static str,
        pk: impl Into<String>,
        sk: impl Into<String>,
        revision: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut delete = Delete::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(pk.into()))
            .key("sk", AttributeValue::S(sk.into()));
        if let Some(revision) = revision {
            delete = delete
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", AttributeValue::N(revision.to_string()))
                .return_values_on_condition_check_failure(ALL_OLD);
        }
        self.push(label, TransactWriteItem::builder().delete(delete.build().map_err(Self::build_error)?).build());
        Ok(())
    }

    /// A row of this `revision` must be there, and stays as it is.
    pub fn require(
        &mut self,
        label: &'static str,
        pk: impl Into<String>,
        sk: impl Into<String>,
        revision: u64,
    ) -> Result<(), StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(pk.into()))
            .key("sk", AttributeValue::S(sk.into()))
            .condition_expression("revision = :revision")
            .expression_attribute_values(":revision", AttributeValue::N(revision.to_string()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(Self::build_error)?;
        self.push(label, TransactWriteItem::builder().condition_check(check).build());
        Ok(())
    }

    /// The event of a resource's new state, in the outbox of `pk`: it is told if and only if all of this is written. It is kept
    /// beside it, to be told again when an operator asks for it.
    pub fn emit<S: State>(&mut self, pk: &str, state: &S, now: Time) -> Result<(), StoreError> {
        let envelope = Envelope::of(state).map_err(Self::build_error)?;
        self.put("outbox", outbox(pk, &envelope, now)?)?;
        self.put("told", told::row(&envelope)?)
    }

    /// The same for what is told again from a row of its own.
    pub fn tell<S: State>(&mut self, pk: &str, state: &S, now: Time) -> Result<(), StoreError> {
        let envelope = Envelope::of(state).map_err(Self::build_error)?;
        self.put("outbox", outbox(pk, &envelope, now)?)
    }

    /// The event of a resource that is gone, like [`Transaction::emit`].
    pub fn emit_gone<S: State>(
        &mut self,
        pk: &str,
        id: impl Into<String>,
        revision: u64,
        now: Time,
    ) -> Result<(), StoreError> {
        let envelope = Envelope::tombstone::<S>(id, revision);
        self.put("outbox", outbox(pk, &envelope, now)?)?;
        self.put("told", told::row(&envelope)?)
    }

    /// Remembers the answer for a repetition of the request.
    pub fn remember(&mut self, idempotency: Option<&Idempotency>, reply: &Reply) -> Result<(), StoreError> {
        let Some(idempotency) = idempotency else { return Ok(()) };
        let expires_s = idempotency.now.seconds() + REMEMBERED_S;
        let row = Row::new(
            format!("IDEM#{}", idempotency.scope),
            "IDEM",
            &Remembered { fingerprint: idempotency.fingerprint.clone(), reply: reply.clone(), expires_s },
        )?
        .ttl(expires_s);
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(row.0))
            // An expired one may still be there: DynamoDB removes late.
            .condition_expression("attribute_not_exists(pk) OR expires_s <= :now")
            .expression_attribute_values(":now", AttributeValue::N(idempotency.now.seconds().to_string()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(Self::build_error)?;
        self.push(IDEMPOTENCY, TransactWriteItem::builder().put(put).build());
        self.idempotency = Some(idempotency.clone());
        Ok(())
    }

    /// Forgets the answer that [`Transaction::remember`] kept, so that the same request begins anew.
    pub fn forget(&mut self, idempotency: Option<&Idempotency>) -> Result<(), StoreError> {
        let Some(idempotency) = idempotency else { return Ok(()) };
        self.delete("forget", format!("IDEM#{}", idempotency.scope), "IDEM", None)
    }

    /// Writes all of it or nothing. Meets `TransactionConflict` with a few patient tries. A lost answer is no danger: the SDK
    /// sends the same client token again, so that nothing is written twice.
    pub async fn commit(self) -> Result<Commit, StoreError> {
        let (labels, writes): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let mut attempt = 1;
        loop {
            let sent = self.table.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = sent else { return Ok(Commit::Done) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons().to_vec()
                }
                _ => return Err(error.into()),
            };
            let mut refused: Vec<_> = labels
                .iter()
                .zip(reasons.iter())
                .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
                .map(|(label, reason)| (*label, reason.item().cloned()))
                .collect();
            // A repeated request fails its other conditions too: that it was repeated comes first.
            if let Some((_, old)) = refused.iter().find(|(label, _)| *label == IDEMPOTENCY) {
                let remembered: Option<Remembered> =
                    old.clone().map(serde_dynamo::aws_sdk_dynamodb_1::from_item).transpose()?;
                if let (Some(remembered), Some(idempotency)) = (remembered, &self.idempotency)
                    && let Some(reply) = remembered.replay(idempotency)?
                {
                    return Ok(Commit::Replay(reply));
                }
            }
            if !refused.is_empty() {
                let (label, old) = refused.swap_remove(0);
                return Ok(Commit::Refused { label, old });
            }
            let conflict = reasons.iter().any(|reason| {
                matches!(
                    reason.code(),
                    Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
                )
            });
            if !conflict || attempt == ATTEMPTS_MAX {
                return Err(error.into());
            }
            let [jitter] = crate::seal::random::<1>();
            tokio::time::sleep(Duration::from_millis((10 << attempt) + u64::from(jitter % 20))).await;
            attempt += 1;
        }
    }
}
