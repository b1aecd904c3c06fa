//! Slugs: the names that people give to organizations, APIs, products and plans, unique where they stand.

use crate::id::{Id, Kind};

/// A name fit for a URL: 1 to 63 of `a-z`, `0-9` and single `-` within, beginning with a letter. Never looks like an id,
/// because ids have an underscore.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// Why a text is not a slug.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected a slug: 1 to 63 lower-case letters, digits and single hyphens, beginning with a letter, not ending with a hyphen"
)]
pub struct NotASlug;

impl Slug {
    /// The slug's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Slug {
    type Err = NotASlug;

    fn from_str(text: &str) -> Result<Self, NotASlug> {
        let mut previous = b'-';
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' => {}
                b'-' if previous != b'-' => {}
                _ => return Err(NotASlug),
            }
            previous = byte;
        }
        let begins_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins_well || previous == b'-' || text.len() > 63 {
            return Err(NotASlug);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Slug {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z][a-z0-9]*(-[a-z0-9]+)*$"))
            .max_length(Some(63))
            .examples([serde_json::json!("weather")])
            .into()
    }
}

impl utoipa::ToSchema for Slug {}

/// A name where a resource may be named by slug or by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Name<K: Kind> {
    /// By its id.
    Id(Id<K>),
    /// By its slug, within the caller's organization.
    Slug(Slug),
}

impl<K: Kind> std::fmt::Display for Name<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Slug(slug) => slug.fmt(f),
        }
    }
}

/// Why a text names nothing of the kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected a slug (lower-case letters, digits and single hyphens, beginning with a letter) or an id like `{kind}_01h455vb4pex5vsknk084sn02q`"
)]
pub struct NotAName {
    kind: &'static str,
}

impl<K: Kind> std::str::FromStr for Name<K> {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        text.parse().map(Self::Slug).or_else(|_| text.parse().map(Self::Id)).map_err(|_| NotAName { kind: K::TYPE })
    }
}

impl<K: Kind> serde::Serialize for Name<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Name<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl<K: Kind> utoipa::PartialSchema for Name<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^([a-z][a-z0-9]*(-[a-z0-9]+)*|{}_[0-7][0-9a-hjkmnp-tv-z]{{25}})$", K::TYPE)))
            .max_length(Some(63))
            .description(Some(format!("A slug, or an id like `{}_01h455vb4pex5vsknk084sn02q`.", K::TYPE)))
            .into()
    }
}

impl<K: Kind> utoipa::ToSchema for Name<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Name_{}", K::TYPE).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ApiId;

    #[test]
    fn slugs_are_strict() {
        for good in ["a", "weather", "a1", "a-b-c", &"a".repeat(63)] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "1a", "a_b", "a.b", "ä", " a", &"a".repeat(64)] {
            assert_eq!(bad.parse::<Slug>(), Err(NotASlug), "{bad}");
        }
    }

    #[test]
    fn a_name_is_a_slug_or_an_id_of_its_kind() {
        let id = ApiId::new();
        assert_eq!(id.to_string().parse(), Ok(Name::<crate::id::Api>::Id(id)));
        assert!("key_01h455vb4pex5vsknk084sn02q".parse::<Name<crate::id::Api>>().is_err());
        assert!("weather".parse::<Name<crate::id::Api>>().is_ok());
    }
}
