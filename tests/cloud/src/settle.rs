//! Whether anything is still on its way.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::data_error::DataError;
use crate::queues::Queues;
use crate::streams::Streams;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// A table and the place up to which its stream is done with.
type Reader = (String, Arc<AtomicI64>);

/// The readers of the streams, and the queues. Clones share them.
#[derive(Clone)]
pub(crate) struct Settle {
    streams: Streams,
    queues: Queues,
    readers: Arc<Mutex<Vec<Reader>>>,
}

impl Settle {
    pub(crate) fn new(streams: Streams, queues: Queues) -> Self {
        Self { streams, queues, readers: Arc::default() }
    }

    /// A reader of a table's stream; it keeps the returned place up to date: everything up to there is done with.
    pub(crate) fn reader(&self, table: &str, place: i64) -> Arc<AtomicI64> {
        let place = Arc::new(AtomicI64::new(place));
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push((table.to_owned(), Arc::clone(&place)));
        place
    }

    /// Waits until nothing is on its way; false if that takes longer.
    pub(crate) async fn wait(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            match self.now() {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot see what is on its way"),
            }
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A reader goes on only after what it read has been handed on, so looking at readers first and queues second misses nothing;
    /// a write in between shows in the count of writes.
    fn now(&self) -> Result<bool, DataError> {
        let writes = self.streams.writes();
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (table, place) in &readers {
            if place.load(Ordering::Acquire) < self.streams.last(table)? {
                return Ok(false);
            }
        }
        Ok(self.queues.backlog()? == 0 && self.streams.writes() == writes)
    }
}
