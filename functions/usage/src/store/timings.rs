//! How calls went: one row for each of the gateway's sandboxes, hour and part of a version.

use std::ops::Range;

use shared::chassis::table::{Row, StoreError};
use shared::id::OrganizationId;
use shared::meter::TIMED;
use shared::time::Time;

use super::Store;
use crate::domain::Batch;
use crate::timings::Timings;

/// Somebody may ask for 90 days at most.
const KEPT_S: i64 = 100 * 24 * 3600;

impl Store {
    /// Keeps the newest rows.
    pub(super) async fn keep_timings(&self, batch: &Batch) -> Result<(), StoreError> {
        for (((pk, rest), hour), timings) in &batch.timed {
            let row = Row::new(pk, format!("{hour:010}#{rest}"), timings)?
                .ttl(Time::of_hour(*hour).seconds().saturating_add(KEPT_S));
            self.table.project(row, timings.revision).await?;
        }
        Ok(())
    }

    /// The timings of an API over a range of UTC hours, at most `limit` rows and more than these if there are.
    pub(crate) async fn timings(
        &self,
        organization: &OrganizationId,
        api: u32,
        hours: Range<i64>,
        limit: usize,
    ) -> Result<Vec<Timings>, StoreError> {
        let bounds = (format!("{:010}", hours.start), format!("{:010}", hours.end));
        self.at_most(limit, &[], &format!("{TIMED}{organization}#{api}"), (&bounds.0, &bounds.1)).await
    }
}
