//! The leases of a sandbox, by grant: each is there for calls, or in the hands of one that settles it or takes the next. So no
//! lease is settled twice, and none is lost because two calls took a block at once.
//!
//! Who finds the lease in other hands waits shortly for the block that is being taken; without one it is admitted exactly. Who
//! finds none, and may take one, has it in hand from then on.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::grant::{Call, Counted};
use crate::lease::Lease;
use crate::sandbox::Seen;
use crate::settlement::Settlement;

/// Leases by grant.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    places: Mutex<HashMap<String, Place>>,
    /// Those that were left behind, by grant and version: what was admitted from them is not counted.
    lost: Mutex<HashSet<(String, u64)>>,
}

#[derive(Debug)]
enum Place {
    There(Lease),
    Out(Block),
}

/// A lease in other hands.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Whether a block will probably be taken.
    is_coming: bool,
    /// True when one was; closed when the hands are empty.
    taken: watch::Receiver<bool>,
}

impl Block {
    /// Waits until it is in no hands any more, for so long at most. Answers whether a block was taken.
    pub(crate) async fn taken(mut self, within: Duration) -> bool {
        timeout(within, async { self.taken.wait_for(|taken| *taken).await.is_ok() }).await.unwrap_or(false)
    }
}

/// What a call finds.
pub(crate) enum Found<'a> {
    /// Admitted: where it is counted, and what is left.
    Spent(Counted, i64),
    /// What there is, is in its hands: perhaps nothing.
    Held(Held<'a>),
    /// A block is coming.
    Out(Block),
}

/// A lease in hand, or the place for one. What is held to the end is there for calls again.
#[derive(Debug, Default)]
pub(crate) struct Held<'a> {
    place: Option<(&'a Leases, String, watch::Sender<bool>)>,
    /// The lease.
    pub(crate) lease: Option<Lease>,
    is_new: bool,
    has_ended: bool,
}

impl Leases {
    fn places(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, places: &mut HashMap<String, Place>, id: &str, is_coming: bool) -> Held<'_> {
        let (told, taken) = watch::channel(false);
        let lease = match places.insert(id.to_owned(), Place::Out(Block { is_coming, taken })) {
            Some(Place::There(lease)) => Some(lease),
            _ => None,
        };
        Held { place: Some((self, id.to_owned(), told)), lease, ..Held::default() }
    }

    /// Admits a call from the lease of its grant, or puts into its hands what it has to settle, and the place for a block:
    /// unless others have both. `is_quick` says that calls come so quickly that it will take a block.
    pub(crate) fn find(&self, id: &str, seen: &Seen, call: &mut Call, is_quick: bool) -> Found<'_> {
        let mut places = self.places();
        if let Some(Place::There(lease)) = places.get_mut(id)
            && lease.admit(&seen.grant, &seen.plan, call)
        {
            call.lease = Some(lease.version);
            return Found::Spent(lease.open.counted.clone(), lease.open.unused);
        }
        match places.get(id) {
            Some(Place::Out(block)) if seen.plan.leased && block.is_coming => return Found::Out(block.clone()),
            Some(Place::Out(_)) => return Found::Held(Held::default()),
            None if !seen.plan.leased => return Found::Held(Held::default()),
            Some(Place::There(_)) | None => {}
        }
        Found::Held(self.take(&mut places, id, seen.plan.leased && is_quick))
    }

    /// Gives a call back to the lease of its grant, if it was counted there. Answers what is left, or in whose hands the lease is.
    pub(crate) fn take_back(&self, id: &str, call: &Call, counted: &Counted) -> Result<i64, Option<Block>> {
        match self.places().get_mut(id) {
            Some(Place::There(lease)) => lease.take_back(call, counted).then_some(lease.open.unused).ok_or(None),
            Some(Place::Out(block)) => Err(Some(block.clone())),
            None => Err(None),
        }
    }

    /// Takes leases in hand from which nothing is admitted any more; with no time, all that are there.
    pub(crate) fn take_over(&self, over_ms: Option<i64>, most: usize) -> Vec<(String, Held<'_>)> {
        let mut places = self.places();
        let is_over = |place: &Place| match place {
            Place::There(lease) => over_ms.is_none_or(|now_ms| lease.is_over(now_ms)),
            Place::Out(_) => false,
        };
        let over = places.iter().filter(|(_, place)| is_over(place)).map(|(id, _)| id.clone()).take(most);
        let over: Vec<_> = over.collect();
        over.into_iter().map(|id| (id.clone(), self.take(&mut places, &id, false))).collect()
    }

    /// A lease is given up: settling it again might count it twice.
    pub(crate) fn lose(&self, id: &str, lease: &Lease, cause: &str) {
        let Settlement { taken, admitted, .. } = lease.open;
        tracing::error!(grant = id, stranded = taken, uncounted = admitted, cause, "a lease was left behind");
        self.lost().insert((id.to_owned(), lease.version));
    }

    fn lost(&self) -> MutexGuard<'_, HashSet<(String, u64)>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call was admitted from a lease that was left behind.
    pub(crate) fn has_lost(&self, id: &str, call: &Call) -> bool {
        call.lease.is_some_and(|version| self.lost().contains(&(id.to_owned(), version)))
    }

    /// How many there are of other grants.
    pub(crate) fn others(&self, id: &str) -> usize {
        let places = self.places();
        places.len() - usize::from(places.contains_key(id))
    }
}

impl Held<'_> {
    /// Whether a block that is taken has its place here.
    pub(crate) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// A block was taken.
    pub(crate) fn took(&mut self, lease: Lease) {
        self.lease = Some(lease);
        self.is_new = true;
    }

    /// What is in hand is there for calls again.
    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some((leases, id, told)) = self.place.take() else { return };
        let mut places = leases.places();
        match self.lease.take() {
            Some(lease) if self.has_ended => drop(places.insert(id, Place::There(lease))),
            lost => {
                places.remove(&id);
                if let Some(lost) = lost {
                    // Whoever had it was cut off, perhaps while a write was on its way.
                    leases.lose(&id, &lost, "nobody waited for the end of its write");
                }
            }
        }
        if self.is_new {
            // Nobody waits: that is no fault.
            let _ = told.send(true);
        }
    }
}
