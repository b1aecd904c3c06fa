//! The door, as far as a function that tells it can see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use shared::chassis::door;
use shared::event::Envelope;
use shared::seal::Secret;

/// The secret that seals what the door of a house is told.
pub fn door_secret() -> Secret {
    Secret::new("door")
}

/// What the door was told, and whether it is there at all.
#[derive(Clone, Default)]
pub struct Door {
    heard: Arc<Mutex<Vec<Envelope>>>,
    away: Arc<AtomicBool>,
}

impl Door {
    /// The door cannot be reached, or can be again.
    pub fn goes_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it was told since it was last asked.
    pub fn heard(&self) -> Vec<Envelope> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// The states that it was told since it was last asked.
    pub fn states(&self) -> Vec<Value> {
        self.heard().iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect()
    }

    pub(crate) fn router(&self) -> axum::Router {
        let door = self.clone();
        let hear = move |headers: HeaderMap, body: Bytes| async move { door.hear(&headers, &body) };
        axum::Router::new().route("/v1/gateway/events", post(hear)).layer(DefaultBodyLimit::max(6_000_000))
    }

    fn hear(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        if self.away.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        match door::heard(&door_secret(), headers, body) {
            Ok(events) => {
                self.heard.lock().unwrap().extend(events);
                StatusCode::OK
            }
            Err(_) => StatusCode::FORBIDDEN,
        }
    }
}
