//! Refused calls are counted aside and written in batches: a refusal must not cost a write that an attacker can multiply.

use std::collections::HashMap;

use shared::chassis::table::StoreError;
use shared::time::Time;

use crate::aside::{Aside, Batch};
use crate::store::Store;

const BATCH_MS: i64 = 5_000;

/// This sandbox's refused calls: by grant and hour, how many by the problem's slug.
#[derive(Debug, Default)]
pub struct Refused(Aside<String, HashMap<&'static str, u64>>);

impl Refused {
    /// Counts one, and says whether the batch is due.
    pub fn count(&self, grant: &str, reason: &'static str, now: Time) -> bool {
        self.0.count(grant.to_owned(), now, |row| *row.entry(reason).or_default() += 1);
        self.0.due(BATCH_MS, now)
    }

    /// Writes what was not written yet. What cannot be written now stays for the next time, also when nobody waits for the end.
    pub async fn write(&self, store: &Store, writer: &str) -> Result<(), StoreError> {
        let _turn = self.0.turn().await;
        let Some(Batch { rows, now }) = self.0.take() else { return Ok(()) };
        let mut result = Ok(());
        for (row, counts) in rows {
            match store.put_refused(&row.0, row.1, writer, &counts, now).await {
                Ok(()) => self.0.written(&row, &counts),
                Err(error) => result = Err(error),
            }
        }
        self.0.forget(now);
        result
    }
}
