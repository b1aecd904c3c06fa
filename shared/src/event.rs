//! Events: what functions tell each other.
//!
//! An event carries the whole new public state of one resource and its revision; a tombstone says that it is gone. A
//! consumer keeps the newest revision and ignores the rest, so that neither order nor repetition matters.

mod checks;
pub mod document;
mod periods;
mod terms;

pub use checks::{CheckMode, CheckPhase, CheckState, NoticeKind, NoticeState, PolicyState};
pub use periods::{InvoiceState, PeriodState, SealState, SealedTerms};
pub use terms::{Admission, Approval, Period, Quota, QuotaKind, Rate, Terms};

use crate::id::{
    ApiId, AppId, KeyId, MemberId, OrganizationId, PlanId, ProductId, ServiceId, SubscriptionId, TokenId, VersionId,
};
use crate::principal::{Party, Role};
use crate::slug::Slug;
use crate::time::Time;

/// An event on its way: `data` is the state as a JSON text, `null` for a tombstone (EventBridge Pipes does not look into it).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Envelope {
    /// The event's type, such as `keys.key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource's id.
    pub id: String,
    /// The resource's revision, raised by every change.
    #[serde(deserialize_with = "number")]
    pub revision: u64,
    /// The resource's state as a JSON text.
    pub data: String,
}

/// A number, or a number as text: a pipe hands on DynamoDB's numbers, which are texts.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(u64),
        Text(String),
    }
    match <Number as serde::Deserialize>::deserialize(deserializer)? {
        Number::Number(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// The public state of a kind of resource.
pub trait State: serde::Serialize + serde::de::DeserializeOwned {
    /// The type of its events.
    const TYPE: &'static str;
    /// The resource's id.
    fn id(&self) -> String;
    /// The resource's revision.
    fn revision(&self) -> u64;
}

impl Envelope {
    /// The event of a state.
    pub fn of<S: State>(state: &S) -> Result<Self, serde_json::Error> {
        Ok(Self {
            kind: S::TYPE.to_owned(),
            id: state.id(),
            revision: state.revision(),
            data: serde_json::to_string(state)?,
        })
    }

    /// The event of something that is gone.
    pub fn tombstone<S: State>(id: impl Into<String>, revision: u64) -> Self {
        Self { kind: S::TYPE.to_owned(), id: id.into(), revision, data: "null".to_owned() }
    }

    /// The state, or `None` for a tombstone.
    pub fn state<S: State>(&self) -> Result<Option<S>, serde_json::Error> {
        serde_json::from_str(&self.data)
    }
}

macro_rules! states {
    ($($state:ident = $kind:literal, $id:ident;)*) => {
        $(impl State for $state {
            const TYPE: &'static str = $kind;
            fn id(&self) -> String { self.$id.to_string() }
            fn revision(&self) -> u64 { self.revision }
        })*

        /// Every event type.
        pub const TYPES: &[&str] = &[$($kind),*];

        /// Every event type with its schemas.
        fn described() -> Vec<document::Described> {
            vec![$(document::Described::of::<$state>()),*]
        }
    };
}

states! {
    OrganizationState = "accounts.organization", id;
    MemberState = "accounts.member", id;
    TokenState = "accounts.token", id;
    ServiceState = "catalog.service", id;
    ApiState = "catalog.api", id;
    VersionState = "catalog.version", id;
    RoutesState = "catalog.routes", id;
    ProductState = "products.product", id;
    PlanState = "products.plan", id;
    AppState = "subscriptions.app", id;
    SubscriptionState = "subscriptions.subscription", id;
    KeyState = "keys.key", id;
    SealState = "gateway.seal", id;
    PeriodState = "usage.period", id;
    InvoiceState = "billing.invoice", id;
    CheckState = "contracts.check", id;
    PolicyState = "contracts.policy", id;
    NoticeState = "contracts.notice", id;
}

/// An organization.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OrganizationState {
    /// Its id.
    pub id: OrganizationId,
    /// Raised by every change.
    pub revision: u64,
    /// Its slug; never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
}

/// A person's membership.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct MemberState {
    /// Its id.
    pub id: MemberId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization.
    pub organization: OrganizationId,
    /// The role.
    pub role: Role,
}

/// A token of an organization, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TokenState {
    /// Its id.
    pub id: TokenId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization.
    pub organization: OrganizationId,
    /// Its name for people.
    pub name: String,
    /// The role.
    pub role: Role,
    /// When it stops, if it does by itself.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

/// A service.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ServiceState {
    /// Its id.
    pub id: ServiceId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization.
    pub organization: Party,
    /// Its slug.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
}

/// Who may see something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// One's own organization.
    #[default]
    Private,
    /// Invited organizations.
    Partner,
    /// Anyone.
    Public,
}

/// An API, with what the door needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ApiState {
    /// Its id.
    pub id: ApiId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that offers it.
    pub organization: Party,
    /// Its slug.
    pub slug: Slug,
    /// Its number within its organization, counted from 1: the meter's counters are named by it.
    pub number: u32,
    /// Its name for people.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// Where the door forwards its calls to; none for an API that is only described.
    pub upstream_url: Option<String>,
    /// The published version whose routes the door serves.
    pub current: Option<CurrentVersion>,
    /// The origins of pages that may call it from a browser, as `Origin` names them, or `*` for any; none when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors_origins: Vec<String>,
}

/// The published version of an API.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct CurrentVersion {
    /// Its id.
    pub id: VersionId,
    /// Its name, such as `1.2.0`.
    pub version: String,
    /// Its number within its API, counted from 1.
    pub number: u32,
    /// How many `catalog.routes` parts it has.
    pub parts: u32,
    /// Set when the version is deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<Time>,
    /// When a deprecated version ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<Time>,
}

/// The state of a version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionPhase {
    /// Uploaded, not yet offered.
    Draft,
    /// Offered.
    Published,
    /// Offered, and going to end.
    Deprecated,
    /// Ended.
    Retired,
}

/// A version, without its document.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct VersionState {
    /// Its id.
    pub id: VersionId,
    /// Raised by every change.
    pub revision: u64,
    /// The API.
    pub api: ApiId,
    /// Its name, such as `1.2.0`.
    pub version: String,
    /// Its number within its API, counted from 1.
    pub number: u32,
    /// Its state.
    pub state: VersionPhase,
    /// The document's format, such as `openapi`.
    pub format: String,
    /// The format's version, such as `3.1.0`.
    pub format_version: String,
    /// SHA-256 of the document's bytes, in hexadecimal.
    pub document_sha256: String,
    /// How many operations it has.
    pub operations: u32,
    /// When it was published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// When it was deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<Time>,
    /// When a deprecated version ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Time>,
}

/// A part of a version's routes: immutable, at most about 100 KB, so that it fits any hop of the way.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RoutesState {
    /// `{version id}.{part}`.
    pub id: String,
    /// Always 1: routes never change.
    pub revision: u64,
    /// The API.
    pub api: ApiId,
    /// The organization that offers the API.
    pub organization: OrganizationId,
    /// The API's number within its organization.
    pub api_number: u32,
    /// The version.
    pub version: VersionId,
    /// The version's number within its API.
    pub version_number: u32,
    /// Which part this is, counted from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The routes.
    pub routes: Vec<Route>,
}

/// An operation as the door and the meter know it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Route {
    /// The operation's number within the version, counted from 0. Several routes may lead to one operation.
    pub n: u32,
    /// The HTTP method in upper case; `QUERY`, `MUTATION` or `SUBSCRIPTION` for a root field of GraphQL.
    pub method: String,
    /// The path, with parameters in braces; or a root field's name, which does not begin with `/` as every path does.
    pub path: String,
    /// The operation's id.
    pub operation: String,
    /// Whether the document calls it deprecated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
}

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ProductState {
    /// Its id.
    pub id: ProductId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that sells it.
    pub organization: Party,
    /// Its slug.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// The APIs in it.
    pub apis: Vec<ApiName>,
}

/// An API, named both ways.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ApiName {
    /// Its id.
    pub id: ApiId,
    /// Its slug.
    pub slug: Slug,
}

/// One immutable version of a plan.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PlanState {
    /// The plan's id.
    pub id: PlanId,
    /// Raised by every new version of the plan.
    pub revision: u64,
    /// The product.
    pub product: ProductId,
    /// The organization that sells it.
    pub organization: Party,
    /// The terms of the newest version.
    pub terms: Terms,
}

/// An app.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AppState {
    /// Its id.
    pub id: AppId,
    /// Raised by every change.
    pub revision: u64,
    /// The organization that it belongs to.
    pub organization: Party,
    /// Its name for people.
    pub name: String,
    /// The slug of the service of its organization that it is; none for a program that is no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Slug>,
}

/// The state of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionPhase {
    /// Waits for the provider's approval.
    Requested,
    /// Its keys open the door.
    Active,
    /// Stopped for now.
    Suspended,
    /// Ended for good.
    Cancelled,
}

/// A subscription, with the terms it is under.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SubscriptionState {
    /// Its id.
    pub id: SubscriptionId,
    /// Raised by every change.
    pub revision: u64,
    /// Its state.
    pub state: SubscriptionPhase,
    /// The consumer.
    pub organization: Party,
    /// The provider.
    pub provider: Party,
    /// The app.
    pub app: AppId,
    /// The app's name.
    pub app_name: String,
    /// The product.
    pub product: ProductId,
    /// The product's slug.
    pub product_slug: Slug,
    /// The terms that hold now.
    pub terms: Terms,
    /// Raised by every change of the terms.
    pub terms_revision: u64,
    /// When these terms began to hold.
    pub terms_since: Time,
    /// When it was made.
    pub created_at: Time,
    /// When it first became active.
    pub activated_at: Option<Time>,
    /// When it ended.
    pub cancelled_at: Option<Time>,
}

/// A key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct KeyState {
    /// Its id.
    pub id: KeyId,
    /// Raised by every change.
    pub revision: u64,
    /// The subscription that it opens the door for.
    pub subscription: SubscriptionId,
    /// Its number within the subscription, counted from 1.
    pub number: u32,
    /// Its name for people.
    pub name: String,
    /// The beginning of the secret, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the secret, in hexadecimal. The secret has 128 random bits, so that the hash tells nothing.
    pub secret_sha256: String,
    /// When it stops, if it does by itself.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_the_pipe_which_makes_numbers_texts() {
        let state = OrganizationState {
            id: OrganizationId::new(),
            revision: 7,
            slug: "acme".parse().unwrap(),
            name: "Acme \"&\" Söhne".into(),
        };
        let envelope = Envelope::of(&state).unwrap();
        let mut json = serde_json::to_value(&envelope).unwrap();
        json["revision"] = serde_json::json!("7");
        let back: Envelope = serde_json::from_value(json).unwrap();
        assert_eq!(back, envelope);
        assert_eq!(back.state().unwrap(), Some(state));
        assert_eq!(Envelope::tombstone::<OrganizationState>("x", 8).state::<OrganizationState>().unwrap(), None);
    }
}
