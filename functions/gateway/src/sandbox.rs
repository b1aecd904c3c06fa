//! What a sandbox keeps between calls: all of it can be lost at any time and is found again in the table.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderName, HeaderValue};
use shared::chassis::table::StoreError;
use shared::event::ApiState;
use shared::seal::Broken;
use shared::time::Time;

use crate::credentials::Keys;
use crate::grant::{Call, Grant};
use crate::held::Leases;
use crate::lease::{Lease, Pace};
use crate::plan::Plan;
use crate::routes::Routes;
use crate::store::{KeyRow, Store};
use crate::writers::{Writer, Writers};

/// An API is looked up again after this long: the door follows a new version or upstream within it.
const API_MS: i64 = 10_000;
/// … or at once when a call matches nothing, but not more often than this.
const API_MS_MIN: i64 = 500;
/// How many keys, grants, plans and APIs are kept; beyond, all of a kind are forgotten.
const KEPT_MAX: usize = 10_000;
/// Leases are not forgotten: so many are taken at most, as many as can be settled when the sandbox ends.
const LEASES_MAX: usize = 32;
/// How often a call's write is tried at most: each try has a number of its own.
pub(crate) const TRIES_MAX: u64 = 8;

/// An API as the door serves it.
#[derive(Debug)]
pub struct Api {
    /// Its state.
    pub state: ApiState,
    /// The routes of its current version.
    pub routes: Arc<Routes>,
    /// The header that its upstream lets the door in for, if there is one.
    pub credentials: Result<Option<(HeaderName, HeaderValue)>, Broken>,
    loaded_ms: i64,
}

/// The grant as it was last seen, with the plan of its terms.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The image: shared with the memory, because most calls only look at it.
    pub grant: Arc<Grant>,
    /// The compiled terms of the image's revision.
    pub plan: Arc<Plan>,
    /// When this sandbox first saw the image's bucket.
    pub bucket_seen_ms: i64,
    /// Units that this sandbox holds on a lease: used in the image, and there for its calls.
    pub held: i64,
}

/// A sandbox's memory.
#[derive(Debug)]
pub struct Sandbox {
    /// This sandbox's name: 40 random bits. What it writes beside the calls has it, and it is the first of its names among the
    /// writers of a grant.
    pub writer: String,
    pub(crate) leases: Leases,
    writers: Writers,
    sequence: AtomicU64,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    keys: HashMap<String, KeyRow>,
    apis: HashMap<String, Arc<Api>>,
    plans: HashMap<(String, u64), Arc<Plan>>,
    grants: HashMap<String, Seen>,
    paces: HashMap<String, Pace>,
}

fn keep<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= KEPT_MAX {
        map.clear();
    }
    map.insert(key, value);
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            writer: shared::seal::base32(&shared::seal::random::<5>()),
            leases: Leases::default(),
            writers: Writers::default(),
            sequence: AtomicU64::new(1),
            memory: Mutex::default(),
        }
    }
}

impl Sandbox {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call's number. The numbers after it, up to the next one of these, are for its tries.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(TRIES_MAX, Ordering::Relaxed)
    }

    /// A name for one write after the other of a grant.
    pub(crate) fn writer<'a>(&'a self, grant: &'a str) -> Writer<'a> {
        self.writers.take(&self.writer, grant)
    }

    /// A call of a grant with leases comes.
    pub(crate) fn count(&self, id: &str, now: Time) {
        let paces = &mut self.memory().paces;
        if paces.len() >= KEPT_MAX && !paces.contains_key(id) {
            paces.clear();
        }
        paces.entry(id.to_owned()).or_default().count(now.ms());
    }

    /// Units of the block that a call should take, which its lease does not admit.
    pub(crate) fn wish(&self, id: &str, lease: Option<&Lease>, call: &Call) -> i64 {
        if self.leases.others(id) >= LEASES_MAX {
            return 0;
        }
        self.memory().paces.get_mut(id).map_or(0, |pace| pace.wish(lease, call))
    }

    /// Whether calls of a grant come so quickly that one takes a block.
    pub(crate) fn is_quick(&self, id: &str, now: Time) -> bool {
        self.memory().paces.get(id).is_some_and(|pace| pace.is_quick(now.ms()))
    }

    /// Which grant a key opens. What is not known is asked for every time: a new key works at once.
    pub async fn key(&self, store: &Store, sha256: &str) -> Result<Option<KeyRow>, StoreError> {
        if let Some(row) = self.memory().keys.get(sha256) {
            return Ok(Some(row.clone()));
        }
        let row = store.key(sha256).await?;
        if let Some(row) = &row {
            keep(&mut self.memory().keys, sha256.to_owned(), row.clone());
        }
        Ok(row)
    }

    /// Whether this sandbox knows what a key opens.
    pub fn knows_key(&self, sha256: &str) -> bool {
        self.memory().keys.contains_key(sha256)
    }

    /// An API as far as this sandbox knows it, without a look at the table.
    pub fn known(&self, name: &str) -> Option<Arc<Api>> {
        self.memory().apis.get(name).cloned()
    }

    /// An API with the routes of its current version, as far as both have arrived. `missed` says that the routes which are
    /// kept did not match.
    pub async fn api(
        &self,
        store: &Store,
        keys: &Keys,
        name: &str,
        now: Time,
        missed: bool,
    ) -> Result<Option<Arc<Api>>, StoreError> {
        let known = self.memory().apis.get(name).cloned();
        if let Some(api) = &known {
            let age_ms = now.ms() - api.loaded_ms;
            if age_ms < if missed { API_MS_MIN } else { API_MS } {
                return Ok(Some(api.clone()));
            }
        }
        let Some(state) = store.api(name).await? else { return Ok(None) };
        let Some(current) = &state.current else { return Ok(None) };
        let version = |api: &Api| api.state.current.as_ref().map(|current| current.id);
        let routes = match &known {
            Some(api) if version(api) == Some(current.id) => api.routes.clone(),
            _ => {
                let parts = store.routes(&current.id.to_string()).await?;
                if parts.len() < current.parts as usize {
                    // The rest is on its way; what was served before is served until then.
                    return Ok(known);
                }
                Arc::new(Routes::new(parts.into_iter().flat_map(|part| part.routes)))
            }
        };
        let sealed = store.credentials(name).await?;
        let credentials = sealed.map(|sealed| sealed.open(keys, state.id)).transpose();
        let api = Arc::new(Api { state, routes, credentials, loaded_ms: now.ms() });
        keep(&mut self.memory().apis, name.to_owned(), api.clone());
        Ok(Some(api))
    }

    /// The grant as last seen, or as it is.
    pub async fn grant(&self, store: &Store, id: &str, now: Time) -> Result<Option<Seen>, StoreError> {
        if let Some(seen) = self.memory().grants.get(id) {
            return Ok(Some(seen.clone()));
        }
        match store.grant(id).await? {
            Some(grant) => self.see(store, id, grant, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// The grant as last seen by any call, if that is newer than what this one has.
    pub(crate) fn newest(&self, id: &str, seen: Seen) -> Seen {
        let memory = self.memory();
        memory.grants.get(id).filter(|known| known.grant.v > seen.grant.v).cloned().unwrap_or(seen)
    }

    /// The grant as last seen, without a look at the table.
    pub(crate) fn known_grant(&self, id: &str) -> Option<Grant> {
        self.memory().grants.get(id).map(|seen| Grant::clone(&seen.grant))
    }

    /// Remembers a newer image of a grant that is remembered, unless its terms or its bucket are others: then it is forgotten.
    pub(crate) fn renew(&self, id: &str, grant: Grant) {
        let mut memory = self.memory();
        let is_same = |seen: &&mut Seen| (seen.grant.pr, seen.grant.b) == (grant.pr, grant.b);
        if memory.grants.get(id).is_some_and(|seen| seen.grant.v > grant.v) {
            return;
        }
        if let Some(seen) = memory.grants.get_mut(id).filter(is_same) {
            seen.grant = Arc::new(grant);
        } else {
            memory.grants.remove(id);
        }
    }

    /// Remembers an image of a grant, and finds the plan of its terms.
    pub async fn see(&self, store: &Store, id: &str, grant: Grant, now: Time) -> Result<Seen, StoreError> {
        let plan = self.plan(store, id, grant.pr).await?;
        Ok(self.remember(id, grant, plan, now))
    }

    /// Remembers an image of a grant whose plan is known. If another call has seen a newer one, that is remembered, and answered.
    pub fn remember(&self, id: &str, grant: Grant, plan: Arc<Plan>, now: Time) -> Seen {
        let mut memory = self.memory();
        if let Some(newer) = memory.grants.get(id).filter(|seen| seen.grant.v > grant.v) {
            return newer.clone();
        }
        let bucket_seen_ms =
            memory.grants.get(id).filter(|seen| seen.grant.b == grant.b).map_or(now.ms(), |seen| seen.bucket_seen_ms);
        let seen = Seen { grant: Arc::new(grant), plan, bucket_seen_ms, held: 0 };
        if seen.grant.pr == seen.plan.revision {
            keep(&mut memory.grants, id.to_owned(), seen.clone());
        } else {
            memory.grants.remove(id);
        }
        seen
    }

    async fn plan(&self, store: &Store, id: &str, revision: u64) -> Result<Arc<Plan>, StoreError> {
        let key = (id.to_owned(), revision);
        if let Some(plan) = self.memory().plans.get(&key) {
            return Ok(plan.clone());
        }
        if revision == 0 {
            return Ok(Arc::new(Plan::none()));
        }
        // Terms are written before the grant is brought to them, so those that a grant names are there.
        let terms = store
            .terms(id, revision)
            .await?
            .ok_or_else(|| StoreError::Unavailable(format!("the terms {revision} of {id} are missing")))?;
        let plan = Arc::new(Plan::new(revision, &terms));
        keep(&mut self.memory().plans, key, plan.clone());
        Ok(plan)
    }
}
