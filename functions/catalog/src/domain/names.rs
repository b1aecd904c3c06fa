//! Names and addresses, parsed at the edge.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use shared::id::VersionId;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

macro_rules! text_of_json {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                shared::text::parsed(deserializer)
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

text_of_json!(VersionLabel VersionName HttpUrl Origin);

/// What a version is called: `1.2.0`, `2026-11`, `v3`. Never looks like an id, because ids have an underscore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct VersionLabel(String);

/// Why a text is no version's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a version such as `1.2.0`: 1 to 64 letters, digits, dots and hyphens, beginning with a letter or a digit"
)]
pub struct NotAVersion;

impl FromStr for VersionLabel {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let fit = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        if begins_well && fit && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(NotAVersion) }
    }
}

impl std::fmt::Display for VersionLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

const LABEL: &str = "[0-9A-Za-z][0-9A-Za-z.-]{0,63}";

impl utoipa::PartialSchema for VersionLabel {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{LABEL}$")))
            .max_length(Some(64))
            .examples([serde_json::json!("1.2.0")])
            .into()
    }
}

/// A version, by its name or by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionName {
    /// By its id.
    Id(VersionId),
    /// By its name in its API.
    Label(VersionLabel),
}

/// Why a text names no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a version such as `1.2.0`, or an id like `version_01h455vb4pex5vsknk084sn02q`")]
pub struct NotAVersionName;

impl FromStr for VersionName {
    type Err = NotAVersionName;

    fn from_str(text: &str) -> Result<Self, NotAVersionName> {
        text.parse().map(Self::Label).or_else(|_| text.parse().map(Self::Id)).map_err(|_| NotAVersionName)
    }
}

impl utoipa::PartialSchema for VersionName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^({LABEL}|version_[0-7][0-9a-hjkmnp-tv-z]{{25}})$")))
            .max_length(Some(64))
            .description(Some("A version's name, such as `1.2.0`, or its id."))
            .examples([serde_json::json!("1.2.0")])
            .into()
    }
}

/// An `http` or `https` address: a host name or an IPv4 address, a port, a path. No credentials, no query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HttpUrl(String);

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address such as `https://api.example.com/v1`: http or https, a host name in lower case or an IPv4 address, at most 500 characters, no credentials, no query, no fragment"
)]
pub struct NotAnHttpUrl;

impl FromStr for HttpUrl {
    type Err = NotAnHttpUrl;

    fn from_str(text: &str) -> Result<Self, NotAnHttpUrl> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(NotAnHttpUrl)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        let port_fits = port.is_none_or(|port| {
            !port.starts_with('0') && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        });
        let path_fits = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._~!$&'()*+,;=:@-".contains(&byte));
        if (is_host(host) || is_ipv4(host)) && port_fits && path_fits && text.len() <= 500 {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnHttpUrl)
        }
    }
}

/// The origin of web pages as browsers send it, `https://app.example.com`, or `*` for any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an origin such as `https://app.example.com` or `http://localhost:3000`, without a path and without the scheme's own port, or `*`"
)]
pub struct NotAnOrigin;

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        // A browser leaves the scheme's own port out: an origin with it would never match.
        let own_port =
            text.starts_with("https:") && text.ends_with(":443") || text.starts_with("http:") && text.ends_with(":80");
        let bare = text.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        let fits = text == "*" || (bare && !own_port && text.parse::<HttpUrl>().is_ok());
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAnOrigin) }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl utoipa::PartialSchema for Origin {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(500))
            .examples([serde_json::json!("https://app.example.com")])
            .into()
    }
}

/// Labels of letters, digits and hyphens within; the last one begins with a letter, or it would be read as a number.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.split('.').all(label)
        && host.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_lowercase()))
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.to_string() == host)
}

impl std::fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl HttpUrl {
    /// What its scheme, host and port look like, as a regular expression.
    pub(super) fn origin_pattern() -> String {
        const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
        const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
        let name = "([a-z0-9]+(-+[a-z0-9]+)*\\.)*[a-z][a-z0-9]*(-+[a-z0-9]+)*";
        format!("https?://({name}|{BYTE}(\\.{BYTE}){{3}})(:{PORT})?")
    }
}

impl utoipa::PartialSchema for HttpUrl {
    fn schema() -> RefOr<Schema> {
        let pattern = format!("^{}(/[0-9A-Za-z/._~!$&'()*+,;=:@-]*)?$", Self::origin_pattern());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(pattern))
            .max_length(Some(500))
            .examples([serde_json::json!("https://api.example.com/v1")])
            .into()
    }
}
