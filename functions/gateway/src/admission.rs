//! Admitting a call, and giving its units back: the loops around the one conditional write.

use std::time::{Duration, Instant};

use shared::chassis::table::StoreError;
use shared::id::ApiId;

use crate::grant::{Call, Counted, Grant, Refusal, admission, counted, refund, refusal, turns, voiding};
use crate::sandbox::{Sandbox, Seen};
use crate::store::{Store, Tried};

const TRIES_MAX: u32 = 8;
const BUDGET: Duration = Duration::from_secs(3);
const PAUSE_MS: u64 = 5;

/// What came of asking to be admitted.
#[derive(Debug)]
pub enum Admitted {
    /// Admitted and counted; the grant as it is now.
    Yes {
        /// The grant.
        seen: Box<Seen>,
        /// Where the call was counted.
        counted: Counted,
    },
    /// Refused; nothing was written.
    No(Refusal, Box<Seen>),
    /// There is no such grant, or its plan does not cover the API.
    Unknown,
    /// The call is refused although its terms allow it: the grant is too busy, or the truth about a write cannot be known.
    Closed {
        /// What happened.
        cause: String,
        /// Whether the call may have been counted all the same.
        unknown: bool,
    },
}

/// What a call wants, as far as terms judge it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The API.
    pub api: ApiId,
    /// The operation's id.
    pub operation: &'a str,
}

/// Admits a call with one conditional write, which a stale guess or a lost answer repeats. The call's weight is set from
/// the terms that it was admitted under.
pub async fn admit(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
) -> Result<Admitted, StoreError> {
    // The bucket of the last try whose answer was lost. A try before it is known not to have been applied, or is in the
    // same bucket: see the condition.
    let mut ambiguous = None;
    match attempt(sandbox, store, id, seen, call, wish, &mut ambiguous).await {
        // What could not be read does not undo what may have been written.
        Err(error) if ambiguous.is_some() => Ok(Admitted::Closed { cause: error.to_string(), unknown: true }),
        admitted => admitted,
    }
}

async fn attempt(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
    ambiguous: &mut Option<u64>,
) -> Result<Admitted, StoreError> {
    let started = Instant::now();
    // The sequence that voids such a try.
    let mut void = None;
    let mut place = Counted { kind: "", window: 0, period: String::new() };
    let mut fresh = false;
    let mut tries = 0;
    loop {
        let closed = |cause: &str| Ok(Admitted::Closed { cause: cause.to_owned(), unknown: ambiguous.is_some() });
        // Each image may have other terms: what they cover and weigh is judged anew.
        if !seen.plan.covers(wish.api) {
            return Ok(Admitted::Unknown);
        }
        call.weight = seen.plan.weight(wish.operation);
        let refused = refusal(&seen.grant, &seen.plan, call);
        if let Some(refusal) = refused {
            // A refusal is believed from an image that the table gave for this call: what was kept may be out of date.
            if !fresh {
                let Some(grant) = store.grant(id).await? else { return Ok(Admitted::Unknown) };
                seen = sandbox.see(store, id, grant, call.now).await?;
                fresh = true;
                continue;
            }
            // A try without an answer may still be on its way, unless its bucket has passed.
            if ambiguous.is_none_or(|sent| seen.grant.b > sent) {
                return Ok(Admitted::No(refusal, Box::new(seen)));
            }
        }
        tries += 1;
        if tries > TRIES_MAX || started.elapsed() > BUDGET {
            return closed("the grant is too busy");
        }
        let update = if refused.is_some() {
            voiding(&seen.grant, call, *void.get_or_insert_with(|| sandbox.next_sequence()))
        } else {
            let turn = turns(&seen.grant, call, seen.bucket_seen_ms);
            place = counted(&seen.grant, &seen.plan, call, turn);
            admission(&seen.grant, &seen.plan, call, turn)
        };
        match (store.update(id, &update).await, refused) {
            // The condition compared the terms' revision: the plan is the one at hand.
            (Tried::Applied(grant), None) => {
                let seen = sandbox.remember(id, *grant, seen.plan, call.now);
                return Ok(Admitted::Yes { seen: Box::new(seen), counted: place });
            }
            (Tried::Applied(grant), Some(refusal)) => {
                let seen = sandbox.see(store, id, *grant, call.now).await?;
                return Ok(Admitted::No(refusal, Box::new(seen)));
            }
            (Tried::Unknown, _) => return Ok(Admitted::Unknown),
            (Tried::Broken(cause), _) => return closed(&cause),
            (Tried::Stale(grant), _) => {
                let last = grant.last_of(&call.writer);
                if last == Some(call.sequence) {
                    // A try whose answer was lost had been applied.
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(Admitted::Yes { seen: Box::new(seen), counted: place });
                }
                if let (Some(refusal), true) = (refused, void.is_some() && last == void) {
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(Admitted::No(refusal, Box::new(seen)));
                }
                if ambiguous.is_some_and(|sent| grant.b >= sent + 2) {
                    // Two turns have passed: the entry that would tell may have been thrown away.
                    return closed("two buckets have passed since a write without an answer");
                }
                seen = sandbox.see(store, id, *grant, call.now).await?;
                fresh = true;
            }
            (Tried::Busy(cause), _) => {
                tracing::warn!(cause, "grant is busy");
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
            (Tried::Ambiguous(cause), _) => {
                tracing::warn!(cause, "no answer about an admission");
                if refused.is_none() {
                    *ambiguous = Some(seen.grant.b);
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
        }
    }
}

/// Gives a call's units back, once, unless its month is sealed already. Answers the grant as it is then, as far as it is known.
pub async fn give_back(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: &Seen,
    call: &Call,
    counted: &Counted,
) -> Result<Seen, StoreError> {
    let started = Instant::now();
    let sequence = sandbox.next_sequence();
    let mut image = Grant::clone(&seen.grant);
    let mut ambiguous: Option<u64> = None;
    loop {
        match store.update(id, &refund(&image, call, sequence, counted)).await {
            Tried::Applied(grant) => return Ok(sandbox.remember(id, *grant, seen.plan.clone(), call.now)),
            Tried::Stale(grant) if grant.last_of(&call.writer) == Some(sequence) => {
                return Ok(sandbox.remember(id, *grant, seen.plan.clone(), call.now));
            }
            Tried::Stale(grant) if ambiguous.is_some_and(|sent| grant.b >= sent + 2) => {
                let cause = "two buckets have passed since a refund without an answer";
                return Err(StoreError::Unavailable(cause.to_owned()));
            }
            Tried::Stale(grant) if !grant.p.contains_key(&counted.period) => {
                return Err(StoreError::Unavailable("the call's month is sealed".to_owned()));
            }
            Tried::Stale(grant) => image = *grant,
            Tried::Unknown => return Err(StoreError::Unavailable("the grant is gone".to_owned())),
            Tried::Broken(cause) => return Err(StoreError::Unavailable(cause)),
            Tried::Busy(_) => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
            Tried::Ambiguous(_) => {
                ambiguous = Some(image.b);
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        if started.elapsed() > BUDGET {
            return Err(StoreError::Unavailable("the grant is too busy for a refund".to_owned()));
        }
    }
}
