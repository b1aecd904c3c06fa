//! The rules: what a key is, how long it lives, and how many a subscription may have.
//!
//! A key's end only ever comes nearer: it is set when the key is issued, drawn closer by a rotation, and brought to now by a
//! revocation. So what is told of a key may be told twice, late and in any order.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::event::KeyState;
use shared::id::{KeyId, SubscriptionId};
use shared::text::Label;
use shared::time::Time;

/// A subscription may have so many keys that open the door at one time.
pub const LIVE_MAX: usize = 100;

/// The longest that a rotated key may live on beside its successor, in seconds: 30 days.
pub const OVERLAP_S_MAX: u32 = 30 * 24 * 3600;

/// The state of a key at some time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It opens the door, if the subscription is active.
    Active,
    /// Its time has passed.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Why something is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It would never have opened the door.
    #[error("must be in the future")]
    ExpiresInThePast,
    /// There are enough.
    #[error(
        "The subscription has {LIVE_MAX} keys that are neither revoked nor expired, and may have no more: revoke some"
    )]
    Full,
    /// A key that ended cannot be rotated.
    #[error("The key is {}: issue a new one", match .state { Phase::Revoked => "revoked", _ => "expired" })]
    Ended {
        /// How it ended.
        state: Phase,
    },
    /// It has a successor already.
    #[error("The key was rotated to `{successor}` already: rotate that one, or issue a new one")]
    Rotated {
        /// Its successor.
        successor: KeyId,
    },
    /// The overlap is too long.
    #[error("must be at most {OVERLAP_S_MAX}")]
    OverlapTooLong,
}

/// A key: its public state, and what only its own organization sees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    /// Raised by every change; the state's own.
    pub revision: u64,
    /// The public state.
    pub state: KeyState,
    /// The key that this one came after.
    pub rotated_from: Option<KeyId>,
    /// The key that came after this one.
    pub rotated_to: Option<KeyId>,
    /// When it was issued.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A secret as the domain knows it: never the secret itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Print {
    /// The beginning of the secret.
    pub prefix: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Key {
    /// How it is at a time.
    #[must_use]
    pub fn phase(&self, now: Time) -> Phase {
        if self.state.revoked_at.is_some() {
            Phase::Revoked
        } else if self.state.expires_at.is_some_and(|expires| expires <= now) {
            Phase::Expired
        } else {
            Phase::Active
        }
    }

    fn changed(&self, now: Time) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.state.revision = next.revision;
        next.updated_at = now;
        next
    }

    /// With another name; the same key where it has that name.
    #[must_use]
    pub fn renamed(&self, name: &Label, now: Time) -> Self {
        if self.state.name == name.as_str() {
            return self.clone();
        }
        let mut next = self.changed(now);
        next.state.name = name.to_string();
        next
    }
}

/// How a key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rotation {
    /// How long the key lives on beside its successor, in seconds.
    pub overlap_s: u32,
    /// When the successor ends; when the key itself would have ended, where this says nothing.
    pub expires_at: Option<Time>,
}

/// The keys of one subscription, as far as they bear on each other: which number comes next, and which keys live. Every issue,
/// rotation and revocation rewrites it, so that they happen one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ring {
    /// Raised by every change.
    pub revision: u64,
    /// The number that was given last.
    pub last: u32,
    /// The keys that are not revoked, with their ends. Those that have passed are forgotten at the next change.
    pub live: BTreeMap<KeyId, Option<Time>>,
}

impl Ring {
    fn next(&self, now: Time) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.live.retain(|_, expires| expires.is_none_or(|expires| expires > now));
        next
    }

    /// Issues a key.
    pub fn issue(
        &self,
        subscription: SubscriptionId,
        name: &Label,
        print: Print,
        expires_at: Option<Time>,
        now: Time,
    ) -> Result<(Self, Key), Refusal> {
        if expires_at.is_some_and(|expires| expires <= now) {
            return Err(Refusal::ExpiresInThePast);
        }
        let mut ring = self.next(now);
        if ring.live.len() >= LIVE_MAX {
            return Err(Refusal::Full);
        }
        ring.last += 1;
        let state = KeyState {
            id: KeyId::new(),
            revision: 1,
            subscription,
            number: ring.last,
            name: name.to_string(),
            prefix: print.prefix,
            secret_sha256: print.sha256,
            expires_at,
            revoked_at: None,
        };
        ring.live.insert(state.id, expires_at);
        Ok((ring, Key { revision: 1, state, rotated_from: None, rotated_to: None, created_at: now, updated_at: now }))
    }

    /// Issues a successor, and draws the end of the key itself closer: to `overlap_s` seconds from now, or no farther than it
    /// was. The successor ends at `expires_at`, or when the key itself would have ended.
    ///
    /// Answers the ring, the key as it is now, and its successor.
    pub fn rotate(
        &self,
        key: &Key,
        name: &Label,
        print: Print,
        wish: Rotation,
        now: Time,
    ) -> Result<(Self, Key, Key), Refusal> {
        if wish.overlap_s > OVERLAP_S_MAX {
            return Err(Refusal::OverlapTooLong);
        }
        if let Some(successor) = key.rotated_to {
            return Err(Refusal::Rotated { successor });
        }
        match key.phase(now) {
            Phase::Active => {}
            state => return Err(Refusal::Ended { state }),
        }
        let overlap_end = now.plus_ms(i64::from(wish.overlap_s) * 1000);
        let end = key.state.expires_at.map_or(overlap_end, |expires| expires.min(overlap_end));
        let mut before = self.clone();
        // With an end that has come, the key's place is free: a full ring can still be rotated without overlap.
        before.live.insert(key.state.id, Some(end));
        let (ring, mut successor) =
            before.issue(key.state.subscription, name, print, wish.expires_at.or(key.state.expires_at), now)?;
        successor.rotated_from = Some(key.state.id);
        let mut old = key.changed(now);
        old.state.expires_at = Some(end);
        old.rotated_to = Some(successor.state.id);
        Ok((ring, old, successor))
    }

    /// Revokes a key; nothing changes where it was revoked already.
    #[must_use]
    pub fn revoke(&self, key: &Key, now: Time) -> Option<(Self, Key)> {
        if key.state.revoked_at.is_some() {
            return None;
        }
        let mut ring = self.next(now);
        ring.live.remove(&key.state.id);
        let mut next = key.changed(now);
        next.state.revoked_at = Some(now);
        Some((ring, next))
    }
}
