//! Upstream credentials: what the door sends along to an API's upstream, so that the upstream lets nobody in but the door.
//!
//! They are sealed (AES-256-GCM) under a key that only this function has, for one API and one header: a row that was moved
//! or changed does not open. Nothing shows them again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use shared::id::ApiId;
use shared::problem::Problem;
use shared::seal::{Broken, Secret, hex};
use shared::time::Time;
use utoipa::ToSchema;

use crate::headers::is_reserved;

const NAME_MAX: usize = 100;
const VALUE_MAX: usize = 4_096;
const USERNAME_MAX: usize = 255;
const PASSWORD_MAX: usize = 1_024;

/// The keys that credentials are sealed under. The first one seals; every one opens what it sealed, so that a key can be
/// replaced. Has no `Debug`.
#[derive(Clone)]
pub struct Keys(Arc<[(String, Secret)]>);

impl Keys {
    /// From the deployment's secret: one text, or several with commas between them, the newest first.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let keys: Arc<[_]> = text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                let secret = Secret::new(text).for_purpose("upstream");
                let id = secret.for_purpose("id").sign(b"");
                (hex(id.first_chunk::<4>().map_or(&[], |id| id.as_slice())), secret)
            })
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    fn seal(&self, context: &str, plain: &[u8]) -> Result<(String, String), Broken> {
        let (id, secret) = self.0.first().ok_or(Broken)?;
        Ok((id.clone(), secret.seal(context, plain)?))
    }

    fn open(&self, id: &str, context: &str, sealed: &str) -> Result<Vec<u8>, Broken> {
        let (_, secret) = self.0.iter().find(|(own, _)| own == id).ok_or(Broken)?;
        secret.open(context, sealed)
    }
}

/// How the door shows itself to the upstream. Has no `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum NewCredentials {
    /// A header with a secret value.
    Header {
        /// Its name. Headers of the connection, and those that the door itself sets, are not possible.
        #[schema(min_length = 1, max_length = 100)]
        name: String,
        /// Its value: visible ASCII characters and spaces between them.
        #[schema(min_length = 1, max_length = 4096)]
        value: String,
    },
    /// `Authorization: Basic` (RFC 7617), in UTF-8.
    Basic {
        /// Without a colon.
        #[schema(max_length = 255)]
        username: String,
        /// The password.
        #[schema(max_length = 1024)]
        password: String,
    },
}

/// The kind of an API's credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A header with a secret value.
    Header,
    /// `Authorization: Basic`.
    Basic,
}

/// Credentials as they are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sealed {
    /// Their kind.
    pub kind: Kind,
    /// The header that they are sent in, in lower case.
    pub header: String,
    /// The key that they are sealed under.
    key: String,
    /// The header's value, sealed.
    value: String,
    /// When they were set.
    pub set_at: Time,
}

/// Whose they are, and which header: opened anywhere else they do not hold.
fn context(api: ApiId, header: &str) -> String {
    format!("{api}/{header}")
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text
}

impl NewCredentials {
    /// Seals them for an API. What is not possible is a problem that names the field and never the value.
    pub fn seal(self, keys: &Keys, api: ApiId, now: Time) -> Result<Sealed, Problem> {
        let (kind, name, value) = match self {
            Self::Header { name, value } => {
                let parsed: HeaderName = name
                    .parse()
                    .ok()
                    .filter(|_| name.len() <= NAME_MAX)
                    .ok_or_else(|| Problem::invalid("/name", "is no header's name of at most 100 characters"))?;
                if is_reserved(&parsed) {
                    return Err(Problem::invalid("/name", "is a header that the door itself sets or removes"));
                }
                if value.is_empty() || value.len() > VALUE_MAX || !is_visible(&value) {
                    let detail = "must have 1 to 4,096 visible ASCII characters, and spaces only between them";
                    return Err(Problem::invalid("/value", detail));
                }
                (Kind::Header, parsed, value)
            }
            Self::Basic { username, password } => {
                let control = |text: &str| text.chars().any(char::is_control);
                if username.len() > USERNAME_MAX || username.contains(':') || control(&username) {
                    let detail = "must have at most 255 bytes and neither a colon nor a control character";
                    return Err(Problem::invalid("/username", detail));
                }
                if password.len() > PASSWORD_MAX || control(&password) {
                    let detail = "must have at most 1,024 bytes and no control character";
                    return Err(Problem::invalid("/password", detail));
                }
                (Kind::Basic, AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
            }
        };
        let (key, sealed) = keys.seal(&context(api, name.as_str()), value.as_bytes()).map_err(Problem::internal)?;
        Ok(Sealed { kind, header: name.as_str().to_owned(), key, value: sealed, set_at: now })
    }
}

impl Sealed {
    /// The header to send, for the API that it was sealed for.
    pub fn open(&self, keys: &Keys, api: ApiId) -> Result<(HeaderName, HeaderValue), Broken> {
        let plain = keys.open(&self.key, &context(api, &self.header), &self.value)?;
        let name = self.header.parse().map_err(|_| Broken)?;
        let mut value = HeaderValue::from_bytes(&plain).map_err(|_| Broken)?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> NewCredentials {
        NewCredentials::Header { name: name.into(), value: value.into() }
    }

    fn basic(username: &str, password: &str) -> NewCredentials {
        NewCredentials::Basic { username: username.into(), password: password.into() }
    }

    fn now() -> Time {
        Time::from_ms(1_800_000_000_000)
    }

    #[test]
    fn what_is_sealed_opens_for_its_api_and_header_only_and_shows_itself_nowhere() {
        let (keys, api) = (Keys::new("one").unwrap(), ApiId::new());
        let sealed = header("X-Upstream-Key", "s3cret value").seal(&keys, api, now()).unwrap();
        let (name, value) = sealed.open(&keys, api).unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-upstream-key", &b"s3cret value"[..]));
        assert!(!format!("{sealed:?}{value:?}{}", serde_json::to_string(&sealed).unwrap()).contains("s3cret"));
        assert_eq!(sealed.open(&keys, ApiId::new()).unwrap_err(), Broken);
        let moved = Sealed { header: "x-other".into(), ..sealed.clone() };
        assert_eq!(moved.open(&keys, api).unwrap_err(), Broken);
        assert_eq!(sealed.open(&Keys::new("two").unwrap(), api).unwrap_err(), Broken);
    }

    #[test]
    fn a_key_is_replaced_without_losing_what_the_old_one_sealed() {
        let (old, api) = (Keys::new("old").unwrap(), ApiId::new());
        let sealed = header("x-key", "v").seal(&old, api, now()).unwrap();
        let both = Keys::new("new, old").unwrap();
        assert_eq!(sealed.open(&both, api).unwrap().1, "v");
        let again = header("x-key", "v").seal(&both, api, now()).unwrap();
        assert_eq!(again.open(&Keys::new("new").unwrap(), api).unwrap().1, "v");
        assert!(again.open(&old, api).is_err());
        assert!(Keys::new(" ,").is_none());
    }

    /// RFC 7617's own example.
    #[test]
    fn basic_is_as_its_document_says() {
        let (keys, api) = (Keys::new("one").unwrap(), ApiId::new());
        let sealed = basic("Aladdin", "open sesame").seal(&keys, api, now()).unwrap();
        assert_eq!((sealed.kind, sealed.header.as_str()), (Kind::Basic, "authorization"));
        assert_eq!(sealed.open(&keys, api).unwrap().1, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let utf8 = basic("test", "123£").seal(&keys, api, now()).unwrap();
        assert_eq!(utf8.open(&keys, api).unwrap().1, "Basic dGVzdDoxMjPCow==");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_field_and_never_repeated() {
        let (keys, long) = (Keys::new("one").unwrap(), "x".repeat(5_000));
        for (wrong, pointer) in [
            (header("", "s3cret"), "/name"),
            (header("a b", "s3cret"), "/name"),
            (header(&long, "s3cret"), "/name"),
            (header("Host", "s3cret"), "/name"),
            (header("Transfer-Encoding", "s3cret"), "/name"),
            (header("X-Forwarded-For", "s3cret"), "/name"),
            (header("Via", "s3cret"), "/name"),
            (header("x-key", ""), "/value"),
            (header("x-key", " s3cret"), "/value"),
            (header("x-key", "s3cret\r\nX-Other: 1"), "/value"),
            (header("x-key", "s3cretä"), "/value"),
            (header("x-key", &long), "/value"),
            (basic("a:b", "s3cret"), "/username"),
            (basic("a\n", "s3cret"), "/username"),
            (basic("a", "s3cret\0"), "/password"),
            (basic("a", &long), "/password"),
        ] {
            let problem = wrong.seal(&keys, ApiId::new(), now()).err().unwrap();
            assert_eq!(problem.errors[0].pointer, pointer);
            assert!(!format!("{problem:?}").contains("s3cret"));
        }
    }
}
