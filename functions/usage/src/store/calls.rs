//! Which APIs the subscriptions of an organization call: the subscriptions by their sides, and the sums over a grant's hours.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, Slice, StoreError};
use shared::id::OrganizationId;
use shared::page::PageRequest;

use super::{HEAD_SK, Kept, Store, Subscription};
use crate::domain::{Bucket, Head, NotUnderstood, counter, hour_of};

/// A subscription in the list of one of its sides.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sided {
    pub(crate) subscription: String,
}

/// Calls of an API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ApiCalls {
    /// Calls admitted.
    pub(crate) calls: u64,
    /// The UTC hour of the last one.
    pub(crate) last_hour: i64,
}

fn sides_pk(organization: &OrganizationId) -> String {
    format!("SIDES#{organization}")
}

impl Store {
    /// Keeps a subscription in the lists of both of its sides. The row never changes.
    pub(super) async fn keep_sides(&self, subscription: &Subscription) -> Result<(), StoreError> {
        let row = Kept { state: &Sided { subscription: subscription.id.clone() }, revision: 1 };
        for side in [&subscription.organization.id, &subscription.provider.id] {
            self.table.project(Row::new(sides_pk(side), &subscription.id, &row)?, 1).await?;
        }
        Ok(())
    }

    /// The subscriptions that an organization is a side of.
    pub(crate) async fn sides(
        &self,
        organization: &OrganizationId,
        page: &PageRequest,
    ) -> Result<Slice<Sided>, StoreError> {
        self.table.list(&sides_pk(organization), "", page.after.as_deref(), page.size).await
    }

    /// The calls that a subscription made in a range of UTC hours, by the API's number, and the grant's frontier.
    pub(crate) async fn api_calls(
        &self,
        subscription: &str,
        hours: Range<i64>,
    ) -> Result<(Result<BTreeMap<u32, ApiCalls>, NotUnderstood>, Option<Head>), StoreError> {
        let head: Option<Head> = self.table.get(subscription, HEAD_SK).await?;
        // Before the frontier every hour is one row, see `advance`.
        let folded = head.map_or(hours.start, |head| head.hour.clamp(hours.start, hours.end));
        let mut buckets: Vec<Bucket> = Vec::new();
        for (kind, from, to) in [("H", hours.start, folded), ("B", folded, hours.end)] {
            if from < to {
                let (from, to) = (format!("{kind}#{from:010}"), format!("{kind}#{to:010}"));
                buckets.extend(self.between::<Bucket>(subscription, &from, &to).await?);
            }
        }
        Ok((sum(&buckets), head))
    }
}

fn sum(buckets: &[Bucket]) -> Result<BTreeMap<u32, ApiCalls>, NotUnderstood> {
    let mut sums: BTreeMap<u32, ApiCalls> = BTreeMap::new();
    for bucket in buckets {
        for (name, count) in bucket.c.iter().filter(|(_, count)| **count > 0) {
            let hour = hour_of(name, bucket.bh);
            let sum = sums.entry(counter(name)?.api).or_insert(ApiCalls { calls: 0, last_hour: hour });
            sum.calls = sum.calls.saturating_add(*count);
            sum.last_hour = sum.last_hour.max(hour);
        }
    }
    Ok(sums)
}
