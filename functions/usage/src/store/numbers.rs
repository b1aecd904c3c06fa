//! A grant's numbers: the frontier, the hours that it has passed, and what a report reads.

use std::ops::Range;

use shared::chassis::table::{Row, StoreError};

use super::{HEAD_SK, Kept, Order, PAGE, Store, ended_sk};
use crate::domain::{Bucket, Head, fold, month_of};
use crate::report::Numbers;

impl Store {
    /// Moves the frontier over what is closed without a gap. It stands on facts that never change, so whoever moves it
    /// further is right. The hours that it passes are folded before it moves: before a frontier that is kept, every hour
    /// is one row.
    pub(super) async fn advance(&self, subscription: &str) -> Result<(), StoreError> {
        let Some(head) = self.table.get::<Head>(subscription, HEAD_SK).await? else { return Ok(()) };
        let moved = self.walk(subscription, head).await?;
        if moved.next == head.next {
            return Ok(());
        }
        let (from, to) = (format!("B#{:010}", head.hour), format!("B#{:010}", moved.hour));
        for hour in fold(self.between::<Bucket>(subscription, &from, &to).await?) {
            let sk = format!("H#{:010}#{:012}", hour.bh, hour.b);
            self.table.project(Row::new(subscription, sk, &hour)?, hour.revision).await?;
        }
        let row = Row::new(subscription, HEAD_SK, &Kept { state: &moved, revision: moved.next })?;
        self.table.project(row, moved.next).await.map(drop)
    }

    /// Reads page by page, and no further than the first gap.
    async fn walk(&self, subscription: &str, mut head: Head) -> Result<Head, StoreError> {
        let from = format!("B#{:010}", head.hour);
        let mut after = None;
        loop {
            let page: (Vec<Bucket>, _) =
                self.range(subscription, (&from, "B#~"), Order::Ascending, PAGE, after).await?;
            head = head.advance(&page.0);
            after = page.1;
            if after.is_none() || page.0.last().is_none_or(|last| head.next <= last.b) {
                return Ok(head);
            }
        }
    }

    /// How far a grant's buckets are whole.
    pub(crate) async fn frontier(&self, subscription: &str) -> Result<Option<Head>, StoreError> {
        match self.table.get::<Head>(subscription, HEAD_SK).await? {
            Some(head) => self.walk(subscription, head).await.map(Some),
            None => Ok(None),
        }
    }

    /// A grant's numbers over a range of UTC hours, and how far they are whole.
    pub(crate) async fn numbers(&self, subscription: &str, hours: Range<i64>) -> Result<Numbers, StoreError> {
        let kept = self.table.get::<Head>(subscription, HEAD_SK).await?;
        let head = match kept {
            Some(head) => Some(self.walk(subscription, head).await?),
            None => None,
        };
        // A month's late refunds stand in the first hour of the next.
        let end = hours.end + i64::from(month_of(hours.end) == hours.end);
        let folded = kept.map_or(hours.start, |head| head.hour.clamp(hours.start, end));
        let mut buckets: Vec<Bucket> = Vec::new();
        for (kind, from, to) in [("H", hours.start, folded), ("B", folded, end)] {
            if from < to {
                let (from, to) = (format!("{kind}#{from:010}"), format!("{kind}#{to:010}"));
                buckets.extend(self.between::<Bucket>(subscription, &from, &to).await?);
            }
        }
        let before = self
            .range(subscription, ("B#", &format!("B#{:010}", hours.start)), Order::Descending, 1, None)
            .await?
            .0
            .into_iter()
            .next();
        let refused =
            self.between(subscription, &format!("R#{:010}", hours.start), &format!("R#{:010}", hours.end)).await?;
        // Whether the month before the frontier has ended says how far the counts are whole.
        let since = head.map_or(hours.start, |head| hours.start.min(head.hour - 1));
        let ended = self.between(subscription, &ended_sk(month_of(since)), "E#~").await?;
        Ok(Numbers { head, before, buckets, ended, refused })
    }
}
