//! Sealed periods and their event, and seals that wait for their hours.

use serde::de::IgnoredAny;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::{Envelope, SealState};
use shared::page::PageRequest;
use shared::time::Time;

use super::Store;
use crate::period::Period;

fn period_sk(from: i64) -> String {
    format!("P#{from:010}")
}

fn waiting_sk(from: i64) -> String {
    format!("W#{from:010}")
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Store {
    /// Keeps a seal until its period is compared; nothing if it was already.
    pub(crate) async fn keep_seal(&self, seal: &SealState) -> Result<(), StoreError> {
        let (pk, from) = (seal.subscription.to_string(), seal.from.hour());
        if self.table.get::<IgnoredAny>(&pk, period_sk(from)).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.table.transaction();
        transaction.put("seal", Row::new(pk, waiting_sk(from), &Envelope::of(seal).map_err(unreadable)?)?)?;
        transaction.commit().await.map(drop)
    }

    /// The seals of a subscription that wait, oldest first.
    pub(crate) async fn waiting(&self, subscription: &str) -> Result<Vec<SealState>, StoreError> {
        let rows: Vec<Envelope> = self.between(subscription, "W#", "W#~").await?;
        rows.iter().filter_map(|row| row.state().map_err(unreadable).transpose()).collect()
    }

    /// Keeps a period and tells it, once; its seal waits no more. Answers whether it was news.
    pub(crate) async fn keep_period(&self, period: &Period, now: Time) -> Result<bool, StoreError> {
        let (pk, from) = (period.state.subscription.to_string(), period.state.from.hour());
        let mut transaction = self.table.transaction();
        transaction.create("period", Row::new(&pk, period_sk(from), period)?)?;
        transaction.delete("seal", &pk, waiting_sk(from), None)?;
        transaction.emit(&pk, &period.state, now)?;
        if matches!(transaction.commit().await?, Commit::Done) {
            return Ok(true);
        }
        // Told before: what waits is the seal of a repeated event.
        let mut transaction = self.table.transaction();
        transaction.delete("seal", &pk, waiting_sk(from), None)?;
        transaction.commit().await.map(|_| false)
    }

    /// A subscription's sealed periods, oldest first.
    pub(crate) async fn periods(&self, subscription: &str, page: &PageRequest) -> Result<Slice<Period>, StoreError> {
        self.table.list(subscription, "P#", page.after.as_deref(), page.size).await
    }
}
