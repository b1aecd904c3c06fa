//! Admitting a call, and giving its units back: the loops around the one conditional write.

use std::time::{Duration, Instant};

use shared::chassis::table::StoreError;

use crate::grant::{Call, Refusal, admission, refund, refusal, turns};
use crate::sandbox::{Sandbox, Seen};
use crate::store::{Store, Tried};

const TRIES_MAX: u32 = 8;
const BUDGET: Duration = Duration::from_secs(3);
const PAUSE_MS: u64 = 5;

/// What came of asking to be admitted.
#[derive(Debug)]
pub enum Admitted {
    /// Admitted and counted; the grant as it is now. `window` is the quota window it was counted in.
    Yes {
        /// The grant.
        seen: Box<Seen>,
        /// The end of the quota window.
        window: i64,
    },
    /// Refused; nothing was written.
    No(Refusal, Box<Seen>),
    /// There is no such grant.
    Unknown,
    /// The truth about a write cannot be known, or the grant is too busy: the call is refused and never counted twice.
    Closed(String),
}

/// Admits a call with one conditional write, which a stale guess or a lost answer repeats.
pub async fn admit(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut seen: Seen,
    call: &Call,
) -> Result<Admitted, StoreError> {
    let started = Instant::now();
    // The bucket of a try whose answer was lost.
    let mut ambiguous: Option<u64> = None;
    let mut fresh = false;
    let mut tries = 0;
    loop {
        // A refusal is believed from an image that the table gave for this call: what was kept may be out of date.
        if let Some(refusal) = refusal(&seen.grant, &seen.plan, call) {
            if fresh {
                return Ok(Admitted::No(refusal, Box::new(seen)));
            }
            let Some(grant) = store.grant(id).await? else { return Ok(Admitted::Unknown) };
            seen = sandbox.see(store, id, grant, call.now).await?;
            fresh = true;
            continue;
        }
        tries += 1;
        if tries > TRIES_MAX || started.elapsed() > BUDGET {
            let known = if ambiguous.is_some() { "no answer about a write" } else { "the grant is too busy" };
            return Ok(Admitted::Closed(known.to_owned()));
        }
        let bucket = seen.grant.b;
        let turn = turns(&seen.grant, call, seen.bucket_seen_ms);
        let update = admission(&seen.grant, &seen.plan, call, turn);
        match store.update(id, &update).await {
            Tried::Applied(grant) => {
                let window = grant.pe;
                let seen = Box::new(sandbox.see(store, id, *grant, call.now).await?);
                return Ok(Admitted::Yes { seen, window });
            }
            Tried::Unknown => return Ok(Admitted::Unknown),
            Tried::Broken(cause) => return Err(StoreError::Unavailable(cause)),
            Tried::Stale(grant) => {
                if grant.has_applied(&call.writer, call.sequence) {
                    // A try whose answer was lost had been applied.
                    let window = grant.pe;
                    let seen = Box::new(sandbox.see(store, id, *grant, call.now).await?);
                    return Ok(Admitted::Yes { seen, window });
                }
                if ambiguous.is_some_and(|sent| grant.b >= sent + 2) {
                    // Two turns have passed: the entry that would tell may have been thrown away.
                    return Ok(Admitted::Closed("two buckets have passed since a write without an answer".to_owned()));
                }
                seen = sandbox.see(store, id, *grant, call.now).await?;
                fresh = true;
            }
            Tried::Busy(cause) => {
                tracing::warn!(cause, "grant is busy");
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
            Tried::Ambiguous(cause) => {
                tracing::warn!(cause, "no answer about an admission");
                ambiguous = ambiguous.or(Some(bucket));
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
        }
    }
}

/// Gives a call's units back, once.
pub async fn give_back(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: &Seen,
    call: &Call,
    window: i64,
) -> Result<(), StoreError> {
    let started = Instant::now();
    let sequence = sandbox.next_sequence();
    let mut image = seen.grant.clone();
    let mut ambiguous: Option<u64> = None;
    loop {
        match store.update(id, &refund(&image, call, sequence, window)).await {
            Tried::Applied(grant) => {
                sandbox.see(store, id, *grant, call.now).await?;
                return Ok(());
            }
            Tried::Stale(grant) if grant.has_applied(&call.writer, sequence) => return Ok(()),
            Tried::Stale(grant) if ambiguous.is_some_and(|sent| grant.b >= sent + 2) => {
                return Err(StoreError::Unavailable(
                    "two buckets have passed since a refund without an answer".to_owned(),
                ));
            }
            Tried::Stale(grant) => image = *grant,
            Tried::Unknown => return Ok(()),
            Tried::Broken(cause) => return Err(StoreError::Unavailable(cause)),
            Tried::Busy(_) => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
            Tried::Ambiguous(_) => {
                ambiguous = ambiguous.or(Some(image.b));
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        if started.elapsed() > BUDGET {
            return Err(StoreError::Unavailable("the grant is too busy for a refund".to_owned()));
        }
    }
}
