//! Admitting a call, giving its units back, and settling leases: the loops around the one conditional write.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use shared::chassis::table::StoreError;
use shared::id::ApiId;
use shared::time::Time;

use crate::grant::{Beside, Call, Counted, Grant, Refusal, admission, counted, refusal, turns, voiding};
use crate::lease::{Lease, block};
use crate::sandbox::{Sandbox, Seen, TRIES_MAX};
use crate::settlement::{Settlement, settling};
use crate::store::{Store, Tried};

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

/// One try of a call's write.
struct Try {
    counted: Counted,
    /// Units of the block that it takes.
    block: i64,
    /// Whether it settles the lease before.
    settles: bool,
}

/// What is known of a call that asks.
#[derive(Default)]
struct Asking {
    /// The lease that this sandbox had when the call came, until it is settled.
    lease: Option<Lease>,
    /// By their numbers among those of the call.
    tries: Vec<Try>,
    /// The bucket of the last try whose answer was lost. A try before it is known not to have been applied, or is in the
    /// same bucket: see the condition.
    ambiguous: Option<u64>,
    /// The bucket of the last such try that settles the lease, until it is known not to have been applied.
    doubt: Option<u64>,
}

impl Asking {
    /// Which try left this number, if one of this call did.
    fn applied(&self, call: &Call, last: Option<u64>) -> Option<usize> {
        let number = usize::try_from(last?.checked_sub(call.sequence)?).ok()?;
        (number < self.tries.len()).then_some(number)
    }

    /// This try was applied: what it settled is settled, and its block is there.
    fn admitted(&mut self, sandbox: &Sandbox, id: &str, seen: Seen, call: &Call, number: usize) -> Admitted {
        let Try { counted, block, settles } = self.tries.swap_remove(number);
        if settles {
            self.lease = None;
        }
        if block > 0 {
            sandbox.keep_lease(id, Lease::new(call, counted.clone(), block));
        }
        Admitted::Yes { seen: Box::new(Seen { held: block, ..seen }), counted }
    }

    /// What has to be settled, if the call's own write can do it.
    fn joined(&self, place: &Counted, turn: bool) -> Option<&Settlement> {
        self.lease.as_ref().map(|lease| &lease.open).filter(|open| !turn && open.counted == *place)
    }
}

/// Admits a call: from the lease that this sandbox has, or with one conditional write, which a stale guess or a lost answer
/// repeats. The call's weight is set from the terms that it was admitted under.
pub async fn admit(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
) -> Result<Admitted, StoreError> {
    if seen.plan.leased {
        sandbox.count(id, call.now);
    }
    if seen.plan.covers(wish.api) {
        call.weight = seen.plan.weight(wish.operation);
        if let Some((counted, held)) = sandbox.spend(id, &seen, call) {
            return Ok(Admitted::Yes { seen: Box::new(Seen { held, ..seen }), counted });
        }
    }
    let mut asking = Asking { lease: sandbox.take_lease(id), ..Asking::default() };
    let admitted = match attempt(sandbox, store, id, seen, call, wish, &mut asking).await {
        // What could not be read does not undo what may have been written.
        Err(error) if asking.ambiguous.is_some() => Ok(Admitted::Closed { cause: error.to_string(), unknown: true }),
        admitted => admitted,
    };
    let is_unknown = matches!(admitted, Ok(Admitted::Closed { unknown: true, .. }));
    if let Some(lease) = asking.lease {
        if is_unknown && asking.doubt.is_some() {
            stranded(id, &lease, "nobody knows whether it was settled");
        } else {
            sandbox.keep_lease(id, lease);
        }
    }
    admitted
}

/// A lease is given up: settling it again might count it twice.
fn stranded(id: &str, lease: &Lease, cause: &str) {
    let Settlement { taken, admitted, .. } = lease.open;
    tracing::error!(grant = id, stranded = taken, uncounted = admitted, cause, "a lease was left behind");
}

async fn attempt(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut seen: Seen,
    call: &mut Call,
    wish: Wish<'_>,
    asking: &mut Asking,
) -> Result<Admitted, StoreError> {
    let started = Instant::now();
    // The sequence that voids a try without an answer.
    let mut void = None;
    let mut fresh = false;
    let mut tries = 0;
    let mut wished = None;
    loop {
        // Each image may have other terms: what they cover and weigh is judged anew.
        if !seen.plan.covers(wish.api) {
            return Ok(Admitted::Unknown);
        }
        call.weight = seen.plan.weight(wish.operation);
        let turn = turns(&seen.grant, call, seen.bucket_seen_ms);
        let place = counted(&seen.grant, &seen.plan, call, turn);
        let refused = refusal(&seen.grant, &seen.plan, call);
        // A try without an answer may still be on its way, unless its bucket has passed.
        let is_pending = asking.ambiguous.is_some_and(|sent| seen.grant.b <= sent);
        // A lease of another place is settled by itself, and so is one whose call is refused: what comes back may admit it.
        let apart = refused.is_some() || asking.joined(&place, turn).is_none();
        if let Some(lease) = asking.lease.take_if(|_| apart && !is_pending) {
            let settled = settle(sandbox, store, id, Grant::clone(&seen.grant), &lease.open, &call.writer).await;
            // The place among the writers is a later one now.
            call.sequence = sandbox.next_sequence();
            (asking.tries, asking.ambiguous) = (Vec::new(), None);
            match settled {
                Ok(grant) => {
                    seen = sandbox.see(store, id, grant, call.now).await?;
                    fresh = true;
                }
                Err(Unsettled::Not(error)) => {
                    asking.lease = Some(lease);
                    return Err(error);
                }
                Err(Unsettled::Never(error)) => stranded(id, &lease, &error.to_string()),
            }
            continue;
        }
        if refused.is_some() && !fresh {
            // A refusal is believed from an image that the table gave for this call: what was kept may be out of date.
            let Some(grant) = store.grant(id).await? else { return Ok(Admitted::Unknown) };
            seen = sandbox.see(store, id, grant, call.now).await?;
            fresh = true;
            continue;
        }
        if let Some(refusal) = refused.filter(|_| !is_pending) {
            return Ok(Admitted::No(refusal, Box::new(seen)));
        }
        tries += 1;
        if tries > TRIES_MAX || started.elapsed() > BUDGET {
            let cause = "the grant is too busy".to_owned();
            return Ok(Admitted::Closed { cause, unknown: asking.ambiguous.is_some() });
        }
        let update = if refused.is_some() {
            voiding(&seen.grant, call, *void.get_or_insert_with(|| sandbox.next_sequence()))
        } else {
            let settled = asking.joined(&place, turn);
            // Only one lease fits the memory: while another one waits to be settled, no block is taken.
            let block = if seen.plan.leased && settled.is_some() == asking.lease.is_some() {
                let wished = *wished.get_or_insert_with(|| sandbox.wish(id, asking.lease.as_ref(), call));
                block(&seen.grant, &seen.plan, call, wished, settled.map_or(0, |settled| settled.unused))
            } else {
                0
            };
            let attempt = u64::try_from(asking.tries.len()).unwrap_or(u64::MAX);
            let update = admission(&seen.grant, &seen.plan, call, turn, &Beside { block, settled, attempt });
            let settles = settled.is_some();
            asking.tries.push(Try { counted: place, block, settles });
            update
        };
        match (store.update(id, &update).await, refused) {
            // The condition compared the terms' revision: the plan is the one at hand.
            (Tried::Applied(grant), None) => {
                let seen = sandbox.remember(id, *grant, seen.plan, call.now);
                return Ok(asking.admitted(sandbox, id, seen, call, asking.tries.len() - 1));
            }
            (Tried::Applied(grant), Some(refusal)) => {
                let seen = sandbox.see(store, id, *grant, call.now).await?;
                return Ok(Admitted::No(refusal, Box::new(seen)));
            }
            (Tried::Unknown, _) => return Ok(Admitted::Unknown),
            (Tried::Broken(cause), _) => {
                return Ok(Admitted::Closed { cause, unknown: asking.ambiguous.is_some() });
            }
            (Tried::Stale(grant), _) => {
                let last = grant.last_of(&call.writer);
                if let Some(number) = asking.applied(call, last) {
                    // A try whose answer was lost had been applied.
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(asking.admitted(sandbox, id, seen, call, number));
                }
                if let (Some(refusal), true) = (refused, void.is_some() && last == void) {
                    let seen = sandbox.see(store, id, *grant, call.now).await?;
                    return Ok(Admitted::No(refusal, Box::new(seen)));
                }
                if asking.ambiguous.is_some_and(|sent| grant.b >= sent + 2) {
                    // Two turns have passed: the entry that would tell may have been thrown away.
                    let cause = "two buckets have passed since a write without an answer".to_owned();
                    return Ok(Admitted::Closed { cause, unknown: true });
                }
                asking.doubt = asking.doubt.filter(|sent| grant.b <= *sent);
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
                    asking.ambiguous = Some(seen.grant.b);
                    if asking.tries.last().is_some_and(|last| last.settles) {
                        asking.doubt = asking.ambiguous;
                    }
                }
                tokio::time::sleep(Duration::from_millis(PAUSE_MS << tries)).await;
            }
        }
    }
}

/// Gives a call's units back, once, unless its month is sealed already: to the lease that it was counted in or beside, or to the
/// grant. Answers the grant as it is then, as far as it is known.
pub async fn give_back(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    seen: &Seen,
    call: &Call,
    counted: &Counted,
) -> Result<Seen, StoreError> {
    if let Some(held) = sandbox.take_back(id, call, counted) {
        return Ok(Seen { held, ..seen.clone() });
    }
    let refund = Settlement::refund(call, counted);
    let grant = settle(sandbox, store, id, Grant::clone(&seen.grant), &refund, &call.writer).await?;
    Ok(sandbox.remember(id, grant, seen.plan.clone(), call.now))
}

/// Settles leases from which nothing is admitted any more at this time, so many at most; with no time, all there are: the
/// sandbox ends. Only what is certainly not settled, and may be later, is kept.
pub async fn settle_leases(sandbox: &Sandbox, store: &Store, over_at: Option<Time>, most: usize) {
    let leases = sandbox.take_leases(over_at.map(Time::ms), most);
    join_all(leases.into_iter().map(async |(id, lease)| {
        let settled = match sandbox.known_grant(&id) {
            Some(grant) => settle(sandbox, store, &id, grant, &lease.open, &sandbox.writer).await,
            None => match store.grant(&id).await {
                Ok(Some(grant)) => settle(sandbox, store, &id, grant, &lease.open, &sandbox.writer).await,
                Ok(None) => Err(Unsettled::Never(gone())),
                Err(error) => Err(Unsettled::Not(error)),
            },
        };
        match settled {
            Ok(grant) => sandbox.renew(&id, grant),
            Err(Unsettled::Not(error)) if over_at.is_some() => {
                tracing::warn!(%error, grant = id, "a lease is not settled yet");
                sandbox.keep_lease(&id, lease);
            }
            Err(unsettled) => stranded(&id, &lease, &StoreError::from(unsettled).to_string()),
        }
    }))
    .await;
}

/// Why something was not settled.
enum Unsettled {
    /// Certainly not yet: it may be tried again.
    Not(StoreError),
    /// Nobody knows, or it cannot be any more.
    Never(StoreError),
}

impl From<Unsettled> for StoreError {
    fn from(unsettled: Unsettled) -> Self {
        match unsettled {
            Unsettled::Not(error) | Unsettled::Never(error) => error,
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the grant is gone".to_owned())
}

/// Settles something, once. Answers the grant as it is then.
async fn settle(
    sandbox: &Sandbox,
    store: &Store,
    id: &str,
    mut image: Grant,
    settled: &Settlement,
    writer: &str,
) -> Result<Grant, Unsettled> {
    let never = |cause: &str| Err(Unsettled::Never(StoreError::Unavailable(cause.to_owned())));
    let started = Instant::now();
    let sequence = sandbox.next_sequence();
    let mut ambiguous: Option<u64> = None;
    loop {
        match store.update(id, &settling(&image, settled, writer, sequence)).await {
            Tried::Applied(grant) => return Ok(*grant),
            Tried::Stale(grant) if grant.last_of(writer) == Some(sequence) => return Ok(*grant),
            Tried::Stale(grant) if ambiguous.is_some_and(|sent| grant.b >= sent + 2) => {
                return never("two buckets have passed since a settling write without an answer");
            }
            Tried::Stale(grant) if !settled.counts.is_empty() && !grant.p.contains_key(&settled.counted.period) => {
                return never("the calls' month is sealed");
            }
            Tried::Stale(grant) => image = *grant,
            Tried::Unknown => return Err(Unsettled::Never(gone())),
            Tried::Broken(cause) if ambiguous.is_some() => return never(&cause),
            Tried::Broken(cause) => return Err(Unsettled::Not(StoreError::Unavailable(cause))),
            Tried::Busy(_) => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
            Tried::Ambiguous(_) => {
                ambiguous = Some(image.b);
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
        if started.elapsed() > BUDGET {
            let error = StoreError::Unavailable("the grant is too busy to settle".to_owned());
            return Err(if ambiguous.is_some() { Unsettled::Never(error) } else { Unsettled::Not(error) });
        }
    }
}
