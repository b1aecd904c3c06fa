//! Keys as they stand in answers.

use serde::Serialize;
use shared::chassis::reply::Reply;
use shared::id::{KeyId, SubscriptionId};
use shared::problem::Problem;
use shared::time::Time;

use crate::domain::{self, Phase};

/// A key, without its secret.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Key {
    /// Its id.
    pub(super) id: KeyId,
    /// Raised by every change.
    revision: u64,
    /// The subscription that it opens the door for.
    subscription: SubscriptionId,
    /// Its number within the subscription, counted from 1.
    number: u32,
    /// Its name for people.
    #[schema(max_length = 100)]
    name: String,
    /// The beginning of the secret, to recognise it by.
    prefix: String,
    /// Its state at the time of the answer.
    state: Phase,
    /// When it stops, if it does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    /// The key that this one came after.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_from: Option<KeyId>,
    /// The key that came after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_to: Option<KeyId>,
    /// The hour of its last admitted call in the running month. Only where one key is read, by a caller who has the permission
    /// `usage:read`, and only as far as usage is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_used_at: Option<Time>,
    /// When it was issued.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

impl Key {
    pub(super) fn of(key: &domain::Key, now: Time) -> Self {
        let state = &key.state;
        Self {
            id: state.id,
            revision: key.revision,
            subscription: state.subscription,
            number: state.number,
            name: state.name.clone(),
            prefix: state.prefix.clone(),
            state: key.phase(now),
            expires_at: state.expires_at,
            revoked_at: state.revoked_at,
            rotated_from: key.rotated_from,
            rotated_to: key.rotated_to,
            last_used_at: None,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }

    /// As an answer with its `ETag`.
    pub(super) fn reply(&self) -> Result<Reply, Problem> {
        Ok(Reply::ok(self)?.revision(self.revision))
    }
}

/// A key that was just issued.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct IssuedKey<'a> {
    #[serde(flatten)]
    key: Key,
    /// The secret: in this answer, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// `true` in place of the secret, where the answer is that of an earlier request with the same `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_shown: Option<bool>,
}

/// The answer with the secret, and the one to store without it.
pub(super) fn issued(key: &domain::Key, secret: &str, now: Time) -> Result<(Reply, Reply), Problem> {
    let shown = IssuedKey { key: Key::of(key, now), secret: Some(secret), secret_shown: None };
    let stored = IssuedKey { key: Key::of(key, now), secret: None, secret_shown: Some(true) };
    let reply = Reply::created(&shown, format!("/v1/keys/{}", key.state.id))?.revision(key.revision);
    let stored = reply.with_body(&stored)?;
    Ok((reply, stored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Print, Ring};

    #[test]
    fn the_secret_is_in_the_first_answer_only() {
        let now = Time::from_ms(1_800_000_000_000);
        let print = Print { prefix: "dw_0123456".into(), sha256: "hash".into() };
        let (_, key) = Ring::default().issue(SubscriptionId::new(), &"ci".parse().unwrap(), print, None, now).unwrap();
        let (reply, stored) = issued(&key, "dw_0123456789", now).unwrap();
        let text = |reply: &Reply| serde_json::to_string(reply).unwrap();
        assert!(text(&reply).contains(r#"\"secret\":\"dw_0123456789\""#) && !text(&reply).contains("secret_shown"));
        assert!(text(&stored).contains(r#"\"secret_shown\":true"#) && !text(&stored).contains("dw_0123456789"));
        assert!(!text(&reply).contains("hash"), "the hash is nobody's business");
    }
}
