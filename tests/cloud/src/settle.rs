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

    /// Waits until nothing is on its way; false if nothing moves for so long. A backlog that is worked off may take longer.
    pub(crate) async fn wait(&self, without_progress: Duration) -> bool {
        let (mut seen, mut end) = (None, Instant::now() + without_progress);
        loop {
            match self.now() {
                Ok(None) => return true,
                Ok(Some(progress)) if seen != Some(progress) => {
                    seen = Some(progress);
                    end = Instant::now() + without_progress;
                }
                Ok(Some(_)) => {}
                Err(error) => tracing::warn!(%error, "cannot see what is on its way"),
            }
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How far the readers and the queues are; nothing where all is done. A reader goes on only after what it read has been handed on, so looking at
    /// readers first and queues second misses nothing; a write in between shows in the count of writes.
    fn now(&self) -> Result<Option<(i64, i64)>, DataError> {
        let writes = self.streams.writes();
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut read, mut is_behind) = (0, false);
        for (table, place) in &readers {
            let place = place.load(Ordering::Acquire);
            read += place;
            is_behind |= place < self.streams.last(table)?;
        }
        let backlog = self.queues.backlog()?;
        let is_done = !is_behind && backlog == 0 && self.streams.writes() == writes;
        Ok(if is_done { None } else { Some((read, backlog)) })
    }
}
