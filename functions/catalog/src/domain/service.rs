//! Services: the people and the places behind APIs.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use shared::id::ServiceId;
use shared::principal::Party;
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::HttpUrl;

/// Links that a service may have.
pub const LINKS_MAX: usize = 20;
/// Characters of a description.
const DESCRIPTION_MAX: usize = 1_000;
/// Bytes of a link's address.
const LINK_MAX: usize = 1_000;

/// How far a service is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Tried out; may go away.
    Experimental,
    /// In use.
    #[default]
    Production,
    /// Going to end.
    Deprecated,
    /// Ended.
    Retired,
}

/// A service: one microservice, with the people behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that runs it.
    pub organization: Party,
    /// Its slug; never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The team that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Label>,
    /// Its domain: the bounded context that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Label>,
    /// Where its code is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<HttpUrl>,
    /// Further places: dashboards, runbooks, documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub links: Vec<Link>,
    /// How far it is in its life.
    pub lifecycle: Lifecycle,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A service, named both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceRef {
    /// Its id.
    pub id: ServiceId,
    /// Its slug.
    pub slug: Slug,
}

/// A place on the web that belongs to a service. It is shown, never opened by Doorway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is called.
    pub title: Label,
    /// Its address.
    pub url: LinkUrl,
}

/// What something does, for people: 1 to 1,000 characters, of which only line feeds are control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Description(String);

/// Why a text is no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {DESCRIPTION_MAX} characters without control characters other than line feeds, not only blanks")]
pub struct NotADescription;

impl FromStr for Description {
    type Err = NotADescription;

    fn from_str(text: &str) -> Result<Self, NotADescription> {
        let fits = (1..=DESCRIPTION_MAX).contains(&text.chars().count())
            && !text.chars().any(|c| c.is_control() && c != '\n')
            && !text.trim().is_empty();
        if fits { Ok(Self(text.to_owned())) } else { Err(NotADescription) }
    }
}

/// The address of a link: `http` or `https`, with a query and a fragment if it has them, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LinkUrl(String);

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address such as `https://grafana.example.com/d/1?var=a`: http or https, a host name in lower case or an IPv4 address, at most {LINK_MAX} characters, no credentials, no blanks or quotation marks"
)]
pub struct NotALinkUrl;

impl LinkUrl {
    /// The host that it leads to, with its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    }
}

impl FromStr for LinkUrl {
    type Err = NotALinkUrl;

    fn from_str(text: &str) -> Result<Self, NotALinkUrl> {
        let start = text.find("://").ok_or(NotALinkUrl)? + 3;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(['/', '?', '#']).map_or(text.len(), |at| start + at);
        let (origin, rest) = text.split_at_checked(end).ok_or(NotALinkUrl)?;
        // What an address may be made of (RFC 3986): none of it ends an attribute or a line.
        let fits = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte));
        if fits && text.len() <= LINK_MAX && origin.parse::<HttpUrl>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotALinkUrl)
        }
    }
}

impl utoipa::PartialSchema for Description {
    fn schema() -> RefOr<Schema> {
        const FIT: &str = "[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f]";
        let visible = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(DESCRIPTION_MAX))
            .pattern(Some(format!("^{FIT}*{visible}{FIT}*$")))
            .into()
    }
}

impl utoipa::PartialSchema for LinkUrl {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(LINK_MAX))
            .pattern(Some(format!("^{}([/?#][!#$%&(-;=?-\\[\\]_a-z~]*)?$", HttpUrl::origin_pattern())))
            .examples([serde_json::json!("https://grafana.example.com/d/1?var=a")])
            .into()
    }
}

macro_rules! text_of_json {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                shared::text::parsed(deserializer)
            }
        }

        impl ToSchema for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_of_json!(Description LinkUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_web_and_nowhere_else() {
        for good in
            ["https://a.example", "http://a.example:8080/x?y=1#z", "https://10.0.0.1?q", "https://a.example#top"]
        {
            assert_eq!(good.parse::<LinkUrl>().map(|url| url.to_string()).as_deref(), Ok(good));
        }
        assert_eq!(
            "https://a.example:8080?x=/".parse::<LinkUrl>().map(|url| url.host().to_owned()).as_deref(),
            Ok("a.example:8080")
        );
        for bad in [
            "",
            "a.example",
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "file:///etc/passwd",
            "https://",
            "https://a:b@a.example/",
            "https://a.example/\"onclick=",
            "https://a.example/<b>",
            "https://a.example/a b",
            "https://a.example/'",
            "https://a.example/\n",
            "ftp://a.example",
            "https://A.example",
            "https:///x",
        ] {
            assert_eq!(bad.parse::<LinkUrl>(), Err(NotALinkUrl), "{bad}");
        }
        assert!(format!("https://a.example/{}", "x".repeat(LINK_MAX)).parse::<LinkUrl>().is_err());
    }

    #[test]
    fn descriptions_are_bounded() {
        assert!("Two\nlines – fürs Wetter".parse::<Description>().is_ok());
        for bad in ["", " \n ", "a\rb", "a\u{0}", "a\u{85}", &"ä".repeat(1_001)] {
            assert_eq!(bad.parse::<Description>(), Err(NotADescription), "{bad:?}");
        }
    }
}
