//! Refused calls are counted aside and written in batches: a refusal must not cost a write that an attacker can multiply.
//! What is written is at most the truth, and equal to it once the sandboxes have stopped.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::chassis::table::StoreError;
use shared::time::Time;

use crate::store::Store;

const BATCH_MS: i64 = 5_000;
const BATCH_MAX: u64 = 1_000;

/// This sandbox's refused calls.
#[derive(Debug, Default)]
pub struct Refused(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By grant and hour, as absolute counts: a row may be written again.
    rows: HashMap<(String, i64), HashMap<&'static str, u64>>,
    dirty: HashSet<(String, i64)>,
    pending: u64,
    written_ms: i64,
    now: Option<Time>,
}

impl Refused {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one, and says whether the batch is due.
    pub fn count(&self, grant: &str, reason: &'static str, now: Time) -> bool {
        let mut counts = self.counts();
        let row = (grant.to_owned(), now.hour());
        *counts.rows.entry(row.clone()).or_default().entry(reason).or_default() += 1;
        counts.dirty.insert(row);
        if counts.pending == 0 {
            counts.written_ms = now.ms();
        }
        counts.pending += 1;
        counts.now = Some(now);
        counts.pending >= BATCH_MAX || now.ms() - counts.written_ms >= BATCH_MS
    }

    /// Writes what was not written yet. What cannot be written now stays for the next time, also when nobody waits for the end.
    pub async fn write(&self, store: &Store, writer: &str) -> Result<(), StoreError> {
        let (rows, now) = {
            let mut counts = self.counts();
            let Some(now) = counts.now else { return Ok(()) };
            let rows: Vec<_> =
                counts.dirty.iter().filter_map(|row| counts.rows.get(row).cloned().map(|n| (row.clone(), n))).collect();
            counts.pending = 0;
            counts.written_ms = now.ms();
            (rows, now)
        };
        let mut result = Ok(());
        for (row, written) in rows {
            match store.put_refused(&row.0, row.1, writer, &written, now).await {
                // What was counted in the meantime is not written yet.
                Ok(()) => {
                    let mut counts = self.counts();
                    if counts.rows.get(&row) == Some(&written) {
                        counts.dirty.remove(&row);
                    }
                }
                Err(error) => result = Err(error),
            }
        }
        // An hour that is over gets no more, once it is written.
        let mut counts = self.counts();
        let Counts { rows, dirty, .. } = &mut *counts;
        rows.retain(|row, _| row.1 + 1 >= now.hour() || dirty.contains(row));
        result
    }
}
