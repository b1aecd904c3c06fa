//! What is counted beside the calls: the sandbox keeps it, and writes it in batches, as absolute numbers by hour, so that a row may
//! be written again. What is written is at most the truth, and equal to it once the sandboxes have stopped.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::time::Time;
use tokio::sync::Mutex as Turn;

/// So many counts make a batch, however young it is.
const BATCH_MAX: u64 = 1_000;

/// Counts of one kind: by `K` and UTC hour, rows of `R`.
#[derive(Debug)]
pub(crate) struct Aside<K, R> {
    counts: Mutex<Counts<K, R>>,
    /// One batch is written at a time: of two that write the same row, the older one might come last.
    turn: Turn<()>,
}

#[derive(Debug)]
struct Counts<K, R> {
    rows: HashMap<(K, i64), R>,
    dirty: HashSet<(K, i64)>,
    pending: u64,
    /// When the oldest count came that is not written.
    since_ms: i64,
    now: Option<Time>,
}

/// What is to be written, and when.
#[derive(Debug)]
pub(crate) struct Batch<K, R> {
    pub(crate) rows: Vec<((K, i64), R)>,
    pub(crate) now: Time,
}

impl<K, R> Default for Aside<K, R> {
    fn default() -> Self {
        let (rows, dirty) = (HashMap::new(), HashSet::new());
        Self { counts: Mutex::new(Counts { rows, dirty, pending: 0, since_ms: 0, now: None }), turn: Turn::default() }
    }
}

impl<K: Clone + Eq + Hash, R: Clone + Default + PartialEq> Aside<K, R> {
    fn counts(&self) -> MutexGuard<'_, Counts<K, R>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one in the row of a moment's hour.
    pub(crate) fn count(&self, key: K, now: Time, add: impl FnOnce(&mut R)) {
        let mut counts = self.counts();
        let row = (key, now.hour());
        add(counts.rows.entry(row.clone()).or_default());
        counts.dirty.insert(row);
        if counts.pending == 0 {
            counts.since_ms = now.ms();
        }
        counts.pending += 1;
        counts.now = Some(now);
    }

    /// Whether a batch is full, or its oldest count so old, and nobody is writing one.
    pub(crate) fn due(&self, batch_ms: i64, now: Time) -> bool {
        if self.turn.try_lock().is_err() {
            return false;
        }
        let counts = self.counts();
        counts.pending >= BATCH_MAX || counts.pending > 0 && now.ms() - counts.since_ms >= batch_ms
    }

    /// Waits for the turn to write a batch, which lasts as long as this is kept.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What is not written yet; none if nothing was ever counted.
    pub(crate) fn take(&self) -> Option<Batch<K, R>> {
        let mut counts = self.counts();
        let now = counts.now?;
        let rows = counts.dirty.iter().filter_map(|row| Some((row.clone(), counts.rows.get(row)?.clone()))).collect();
        counts.pending = 0;
        Some(Batch { rows, now })
    }

    /// A row is written. What was counted in the meantime is not.
    pub(crate) fn written(&self, row: &(K, i64), written: &R) {
        let mut counts = self.counts();
        if counts.rows.get(row) == Some(written) {
            counts.dirty.remove(row);
        }
    }

    /// Forgets the hours that are over, once they are written: they get no more.
    pub(crate) fn forget(&self, now: Time) {
        let mut counts = self.counts();
        let Counts { rows, dirty, .. } = &mut *counts;
        rows.retain(|row, _| row.1 + 1 >= now.hour() || dirty.contains(row));
    }
}
