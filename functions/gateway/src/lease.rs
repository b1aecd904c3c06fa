//! Leases: blocks of units that a sandbox takes by one write and admits calls from without one, for plans whose calls are more
//! than one item can write. No async, no AWS client.
//!
//! - **Taking.** The write that admits a call takes the block too, under the same condition: the units are in `u` and have moved
//!   the rate limiter before a call uses them, so a hard quota stays hard whatever becomes of the block. `lo` says how many are
//!   out.
//! - **Admitting.** A call takes its units from the block if the grant's newest image in this sandbox would admit it, and if the
//!   request's time is less than [`LEASE_MS`] after that of the call that took the block. The image is no older than that call:
//!   so what was answered at a moment holds for every request that comes [`LEASE_MS`] later, in every sandbox. Times are those of
//!   requests, because the clock of a sandbox that was frozen may say anything.
//! - **Settling.** The counts are absolute ones of the block, and one write settles them: that of the next call, which takes the
//!   next block too, or one of its own (see [`settlement`](crate::settlement)). What nobody used goes back to the quota, not to
//!   the limiter: its time has passed.
//! - **Size.** Where calls are rare, no block is taken, and all is as exact as without leases. Where they come quickly, each block
//!   that is used up doubles the next one; near a quota's end blocks shrink, and the last units are admitted one by one.
//! - **Left behind.** A sandbox that is killed leaves one block at most: counted against the quota, in `lo` for good, not billed.

use std::collections::BTreeMap;

use shared::meter::read_period_key;

use crate::grant::{Call, Counted, Grant};
use crate::plan::Plan;
use crate::settlement::{COUNTERS_MAX, Calls, Settlement};

/// No call is admitted from a block so long after it was taken.
pub const LEASE_MS: i64 = 2_000;
/// The most units of a block.
pub const BLOCK_MAX: i64 = 256;
/// The first block is for so many calls.
const BLOCK_MIN: i64 = 8;
/// A block is at most this part of what is left of a hard quota, and of what the rate limiter admits at once, so that several
/// sandboxes share the end of both.
const SHARE: i64 = 8;
/// Blocks are taken where so many calls come within [`LEASE_MS`].
const QUICK_CALLS: usize = 4;

/// A block of units of one grant.
#[derive(Clone, Debug)]
pub struct Lease {
    /// What is to be settled of it. What is `unused` is there for calls.
    pub(crate) open: Settlement,
    revision: u64,
    /// That of the image that the write left: an older one, which a slower call may bring, admits nothing.
    pub(crate) version: u64,
    until_ms: i64,
}

impl Lease {
    /// A block that a call's write took, and the image that it left.
    pub(crate) fn new(call: &Call, counted: Counted, block: i64, grant: &Grant) -> Self {
        let revision = read_period_key(&counted.period).map_or(0, |(_, revision)| revision);
        let open = Settlement { counted, counts: BTreeMap::new(), admitted: 0, back: 0, unused: block, taken: block };
        Self { open, revision, version: grant.v, until_ms: call.now.ms() + LEASE_MS }
    }

    /// Whether no call is admitted from it any more.
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.until_ms
    }

    fn has_room(&self, call: &Call) -> bool {
        self.open.counts.len() < COUNTERS_MAX - 1 || self.open.counts.contains_key(&call.counter)
    }

    /// Admits a call, if the image would and there are units enough.
    pub(crate) fn admit(&mut self, grant: &Grant, plan: &Plan, call: &Call) -> bool {
        let (open, hour) = (&mut self.open, call.now.hour());
        let has_key =
            grant.k.get(&call.counter.key.to_string()).is_some_and(|not_after| *not_after > call.now.seconds());
        let holds = grant.v >= self.version && grant.s == "A" && plan.revision == self.revision && has_key;
        let is_due = hour > open.counted.hour || hour >= open.counted.window;
        if !holds || is_due || open.unused < call.weight || self.is_over(call.now.ms()) || !self.has_room(call) {
            return false;
        }
        let open = &mut self.open;
        open.counts.entry(call.counter).or_default().admitted += 1;
        open.admitted += call.weight;
        open.unused -= call.weight;
        true
    }

    /// Takes back a call that failed. False when it was counted elsewhere.
    pub(crate) fn take_back(&mut self, call: &Call, counted: &Counted) -> bool {
        if self.open.counted != *counted || !self.has_room(call) {
            return false;
        }
        let Calls { back, .. } = self.open.counts.entry(call.counter).or_default();
        *back += 1;
        self.open.back += call.weight;
        self.open.unused += call.weight;
        true
    }
}

/// How quickly the calls of a grant come to this sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// The times of the last calls, the newest last.
    times_ms: [i64; QUICK_CALLS],
    calls: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { times_ms: [i64::MIN; QUICK_CALLS], calls: BLOCK_MIN }
    }
}

impl Pace {
    /// A call comes.
    pub(crate) fn count(&mut self, now_ms: i64) {
        self.times_ms.rotate_left(1);
        if let Some(last) = self.times_ms.last_mut() {
            *last = now_ms;
        }
    }

    /// Whether calls come so quickly that one takes a block.
    pub(crate) fn is_quick(&self, now_ms: i64) -> bool {
        let first_ms = self.times_ms.first().copied().unwrap_or(i64::MIN);
        now_ms.saturating_sub(first_ms) < LEASE_MS
    }

    /// Units of the block that a call should take, which finds this one not to do: none where calls are rare.
    pub(crate) fn wish(&mut self, lease: Option<&Lease>, call: &Call) -> i64 {
        if !self.is_quick(call.now.ms()) {
            self.calls = BLOCK_MIN;
            return 0;
        }
        if let Some(Lease { open, .. }) = lease {
            if open.unused < call.weight {
                self.calls = (self.calls * 2).min(BLOCK_MAX);
            } else if open.admitted * 2 < open.taken {
                self.calls = (self.calls / 2).max(BLOCK_MIN);
            }
        }
        (self.calls * call.weight).min(BLOCK_MAX)
    }
}

/// Units of the block that a call's write takes: as many as are wished, as far as the quota and the rate have them to spare.
/// `unused` is what the write gets back from the lease before.
#[must_use]
pub(crate) fn block(grant: &Grant, plan: &Plan, call: &Call, wished: i64, unused: i64) -> i64 {
    let mut block = wished;
    if let Some(quota) = plan.quota.filter(|quota| quota.hard) {
        let used = if call.now.hour() >= grant.pe { 0 } else { grant.u };
        block = block.min((quota.units - used - call.weight + unused) / SHARE);
    }
    if let Some(rate) = plan.rate {
        block = block.min(unused + (rate.left(grant.t, call.now) - call.weight) / SHARE);
    }
    // Less than two calls' units save no write.
    if block < 2 * call.weight { 0 } else { block }
}

#[cfg(test)]
mod tests;
