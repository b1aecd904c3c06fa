//! Ids: `TypeID`s (<https://github.com/jetify-com/typeid/tree/main/spec>), a UUID version 7 behind the name of its kind.
//!
//! An id of one kind does not parse as another, so a wrong id is refused at the edge and names its field.

use type_safe_id::{StaticType, TypeSafeId};

use crate::time::Time;

/// Which kind of thing an id names.
pub trait Kind:
    StaticType + Clone + Copy + PartialEq + Eq + PartialOrd + Ord + std::hash::Hash + Send + Sync + 'static
{
}

/// The id of one kind of thing: `api_01h455vb4pex5vsknk084sn02q`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K: Kind>(TypeSafeId<K>);

impl<K: Kind> Id<K> {
    /// A new id; later ones sort behind earlier ones.
    #[must_use]
    #[allow(clippy::new_without_default)] // A default id would be a different one each time.
    pub fn new() -> Self {
        Self(TypeSafeId::new())
    }

    /// When it was made, by the clock of who made it: a UUID version 7 begins with it. 1970 for any other.
    #[must_use]
    pub fn made_at(&self) -> Time {
        let ms = self.0.uuid().get_timestamp().map(|at| at.to_unix()).map(|(seconds, nanoseconds)| {
            i64::try_from(seconds).unwrap_or(0).saturating_mul(1000) + i64::from(nanoseconds / 1_000_000)
        });
        Time::from_ms(ms.unwrap_or(0))
    }
}

impl<K: Kind> std::fmt::Display for Id<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Kind> std::fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an id of the kind asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an id like `{kind}_01h455vb4pex5vsknk084sn02q`")]
pub struct NotAnId {
    /// The prefix that was expected.
    pub kind: &'static str,
}

impl<K: Kind> std::str::FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        text.parse().map(Self).map_err(|_| NotAnId { kind: K::TYPE })
    }
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::TYPE)))
            .examples([serde_json::Value::String(format!("{}_01h455vb4pex5vsknk084sn02q", K::TYPE))])
            .into()
    }
}

impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Id_{}", K::TYPE).into()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $id:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $kind;
        impl StaticType for $kind { const TYPE: &'static str = $prefix; }
        impl Kind for $kind {}
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*};
}

kinds! {
    /// An organization: the tenant.
    Organization, OrganizationId = "org";
    /// A person's membership of an organization.
    Member, MemberId = "member";
    /// A token of an organization for the control plane.
    Token, TokenId = "token";
    /// A service: one microservice of an organization.
    Service, ServiceId = "service";
    /// An API that a service offers.
    Api, ApiId = "api";
    /// A version: one immutable document of an API.
    Version, VersionId = "version";
    /// A product: one or more APIs for sale.
    Product, ProductId = "product";
    /// A plan of a product.
    Plan, PlanId = "plan";
    /// An app: whoever calls.
    App, AppId = "app";
    /// A subscription: an app on a plan. The gateway's grant has the same id.
    Subscription, SubscriptionId = "sub";
    /// A key: a secret that opens the door for one subscription.
    Key, KeyId = "key";
    /// An invoice: what a subscription owes for one sealed period.
    Invoice, InvoiceId = "invoice";
    /// A check: a proposed document compared with the published one.
    Check, CheckId = "check";
    /// A notice: what a consumer is told of an API that it calls.
    Notice, NoticeId = "notice";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_and_another_kind_is_refused() {
        let id = ApiId::new();
        assert_eq!(id.to_string().parse::<ApiId>(), Ok(id));
        assert_eq!(id.to_string().parse::<KeyId>(), Err(NotAnId { kind: "key" }));
        for wrong in ["", "api", "api_", "API_01h455vb4pex5vsknk084sn02q", "api_81h455vb4pex5vsknk084sn02q"] {
            assert!(wrong.parse::<ApiId>().is_err(), "{wrong}");
        }
    }
}
