//! The rules of products and plans: who sees what, and what may follow what. No async, no AWS, no HTTP.

use shared::event::{ApiName, PlanState, ProductState, Terms, Visibility};
use shared::id::{PlanId, ProductId};
use shared::principal::Party;
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

use crate::error::Error;
use crate::terms::PlanTerms;

/// Products of an organization at most.
pub const PRODUCTS_MAX: u32 = 200;
/// Plans of a product at most, so that one answer holds them all.
pub const PLANS_MAX: u32 = 30;
/// Versions of a plan at most.
pub const VERSIONS_MAX: u32 = 1_000;
/// APIs of a product at most.
pub const APIS_MAX: usize = 20;
/// Invited organizations of a product at most.
pub const PARTNERS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
/// A product of this slug would stand in the way of the public side's paths.
const RESERVED: &str = "public";

/// A longer text for people: 1 to 2,000 characters; of the control characters only tabs and line ends.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Description(String);

/// Why a text is not a description.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to 2000 characters without control characters other than tabs and line ends")]
pub struct NotADescription;

impl std::str::FromStr for Description {
    type Err = NotADescription;

    fn from_str(text: &str) -> Result<Self, NotADescription> {
        let forbidden = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
        if !(1..=DESCRIPTION_CHARS_MAX).contains(&text.chars().count()) || text.chars().any(forbidden) {
            return Err(NotADescription);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> serde::Deserialize<'de> for Description {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shared::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Description {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(DESCRIPTION_CHARS_MAX))
            .pattern(Some(r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"))
            .into()
    }
}

impl utoipa::ToSchema for Description {}

/// A product: one or more APIs for sale.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Raised by every change; the `ETag`.
    pub revision: u64,
    /// The organization that sells it.
    pub organization: Party,
    /// Its slug, unique in its organization; never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// Who may see it.
    pub visibility: Visibility,
    /// The APIs in it.
    pub apis: Vec<ApiName>,
    /// The organizations that see it when its visibility is `partner`, by slug.
    pub partners: Vec<Slug>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// What is to be changed of a product.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// Its name.
    pub name: Option<Label>,
    /// Its description; `Some(None)` removes it.
    #[allow(clippy::option_option)] // Absent, null and a value are three things.
    pub description: Option<Option<Description>>,
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// The invited organizations, all of them.
    pub partners: Option<Vec<Slug>>,
}

impl Product {
    /// With what is changed.
    pub fn changed(&self, change: ProductChange, now: Time) -> Result<Self, Error> {
        let mut product = self.clone();
        product.revision += 1;
        product.updated_at = now;
        product.name = change.name.unwrap_or(product.name);
        product.description = change.description.unwrap_or(product.description);
        product.visibility = change.visibility.unwrap_or(product.visibility);
        if let Some(invited) = change.partners {
            product.partners = partners(invited)?;
        }
        Ok(product)
    }

    /// Whether somebody sees it on the public side. Nobody in particular is `None`.
    #[must_use]
    pub fn is_seen_by(&self, caller: Option<&Party>) -> bool {
        let is_own = caller.is_some_and(|caller| caller.id == self.organization.id);
        is_own
            || match self.visibility {
                Visibility::Public => true,
                Visibility::Partner => caller.is_some_and(|caller| self.partners.contains(&caller.slug)),
                Visibility::Private => false,
            }
    }

    /// What the bus is told.
    #[must_use]
    pub fn state(&self) -> ProductState {
        ProductState {
            id: self.id,
            revision: self.revision,
            organization: self.organization.clone(),
            slug: self.slug.clone(),
            name: self.name.to_string(),
            visibility: self.visibility,
            apis: self.apis.clone(),
        }
    }
}

/// A product's slug must not stand in the way of a path.
pub fn product_slug(slug: Slug) -> Result<Slug, Error> {
    if slug.as_str() == RESERVED {
        Err(Error::Field {
            pointer: "/slug".into(),
            detail: format!("must not be `{RESERVED}`, which has a meaning of its own"),
        })
    } else {
        Ok(slug)
    }
}

/// Invited organizations in order, each once.
pub fn partners(mut partners: Vec<Slug>) -> Result<Vec<Slug>, Error> {
    if partners.len() > PARTNERS_MAX {
        return Err(Error::Field {
            pointer: "/partners".into(),
            detail: format!("must have at most {PARTNERS_MAX} items"),
        });
    }
    partners.sort_unstable();
    partners.dedup();
    Ok(partners)
}

/// How many APIs are named, before they are looked up.
pub fn apis_count(count: usize) -> Result<(), Error> {
    if (1..=APIS_MAX).contains(&count) {
        Ok(())
    } else {
        Err(Error::Field { pointer: "/apis".into(), detail: format!("must have 1 to {APIS_MAX} items") })
    }
}

/// An API that is named twice, perhaps by slug and by id, is there once.
#[must_use]
pub fn apis(found: Vec<ApiName>) -> Vec<ApiName> {
    let mut apis: Vec<ApiName> = Vec::with_capacity(found.len());
    for api in found {
        if apis.iter().all(|known| known.id != api.id) {
            apis.push(api);
        }
    }
    apis
}

/// Whether a plan takes new subscriptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanPhase {
    /// It does.
    Active,
    /// It does not; the subscriptions that it has go on.
    Retired,
}

/// A plan with the terms of its newest version.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// Raised by every new version, and when it is retired.
    pub revision: u64,
    /// The product.
    pub product: ProductId,
    /// Its slug, unique in its product; never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// Whether it takes new subscriptions.
    pub state: PlanPhase,
    /// The newest version, counted from 1.
    pub version: u32,
    /// The newest version's terms.
    pub terms: PlanTerms,
    /// When the plan was made.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// One immutable version of a plan.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct PlanVersion {
    /// The plan.
    pub id: PlanId,
    /// The plan's slug.
    pub slug: Slug,
    /// The version, counted from 1.
    pub version: u32,
    /// Its terms.
    pub terms: PlanTerms,
    /// When it was made.
    pub created_at: Time,
}

impl Plan {
    /// A new one, with its first version.
    #[must_use]
    pub fn new(product: ProductId, slug: Slug, name: Label, terms: PlanTerms, now: Time) -> Self {
        Self {
            id: PlanId::new(),
            revision: 1,
            product,
            slug,
            name,
            state: PlanPhase::Active,
            version: 1,
            terms,
            created_at: now,
            updated_at: now,
        }
    }

    /// With a new version.
    pub fn revised(&self, terms: PlanTerms, now: Time) -> Result<Self, Error> {
        match self.state {
            PlanPhase::Retired => Err(Error::Retired),
            PlanPhase::Active if self.version >= VERSIONS_MAX => Err(Error::TooManyVersions),
            PlanPhase::Active => Ok(Self {
                revision: self.revision + 1,
                version: self.version + 1,
                terms,
                updated_at: now,
                ..self.clone()
            }),
        }
    }

    /// Retired; `None` when it already is.
    #[must_use]
    pub fn retired(&self, now: Time) -> Option<Self> {
        (self.state == PlanPhase::Active).then(|| Self {
            revision: self.revision + 1,
            state: PlanPhase::Retired,
            updated_at: now,
            ..self.clone()
        })
    }

    /// Its newest version.
    #[must_use]
    pub fn newest(&self) -> PlanVersion {
        PlanVersion {
            id: self.id,
            slug: self.slug.clone(),
            version: self.version,
            terms: self.terms.clone(),
            created_at: self.updated_at,
        }
    }

    /// The newest terms as a subscription carries them.
    #[must_use]
    pub fn offered(&self, apis: &[ApiName]) -> Terms {
        let terms = self.terms.clone();
        Terms {
            plan: self.id,
            plan_slug: self.slug.clone(),
            plan_version: self.version,
            apis: apis.to_vec(),
            currency: terms.currency,
            monthly_price: terms.monthly_price,
            included_calls: terms.included_calls,
            price_per_call: terms.price_per_call,
            quota: terms.quota,
            rate: terms.rate,
            weights: terms.weights,
            approval: terms.approval,
            admission: terms.admission,
        }
    }

    /// What the bus is told.
    #[must_use]
    pub fn state(&self, product: &Product) -> PlanState {
        PlanState {
            id: self.id,
            revision: self.revision,
            product: self.product,
            organization: product.organization.clone(),
            terms: self.offered(&product.apis),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::id::{ApiId, OrganizationId};

    use super::*;
    use crate::terms::Wish;

    fn party(slug: &str) -> Party {
        Party { id: OrganizationId::new(), slug: slug.parse().unwrap() }
    }

    fn product(visibility: Visibility, partners: Vec<Slug>) -> Product {
        let now = Time::from_ms(1_700_000_000_000);
        Product {
            id: ProductId::new(),
            revision: 1,
            organization: party("seller"),
            slug: "weather".parse().unwrap(),
            name: "Weather".parse().unwrap(),
            description: None,
            visibility,
            apis: vec![ApiName { id: ApiId::new(), slug: "weather".parse().unwrap() }],
            partners,
            created_at: now,
            updated_at: now,
        }
    }

    fn plan() -> Plan {
        let terms = PlanTerms::new(Wish::default()).unwrap();
        Plan::new(
            ProductId::new(),
            "free".parse().unwrap(),
            "Free".parse().unwrap(),
            terms,
            Time::from_ms(1_700_000_000_000),
        )
    }

    proptest! {
        #[test]
        fn a_stranger_sees_what_is_public_and_no_more(
            visibility in proptest::sample::select(vec![Visibility::Private, Visibility::Partner, Visibility::Public]),
            invited in proptest::collection::vec("[a-c]", 0..3), who in proptest::option::of("[a-c]"),
        ) {
            let product = product(visibility, invited.iter().map(|slug| slug.parse().unwrap()).collect());
            let caller = who.as_deref().map(party);
            let expected = match visibility {
                Visibility::Public => true,
                Visibility::Partner => who.is_some_and(|who| invited.contains(&who)),
                Visibility::Private => false,
            };
            prop_assert_eq!(product.is_seen_by(caller.as_ref()), expected);
            prop_assert!(product.is_seen_by(Some(&product.organization)));
        }

        #[test]
        fn versions_are_contiguous_and_every_change_raises_the_revision(revise in proptest::collection::vec(proptest::bool::weighted(0.8), 0..30)) {
            let now = Time::from_ms(1_700_000_000_000);
            let mut plan = plan();
            for revise in revise {
                let before = plan.clone();
                let after = if revise { plan.revised(plan.terms.clone(), now).ok() } else { plan.retired(now) };
                if let Some(after) = after {
                    prop_assert_eq!(before.state, PlanPhase::Active);
                    prop_assert_eq!(after.revision, before.revision + 1);
                    prop_assert_eq!(after.version, before.version + u32::from(revise));
                    prop_assert_eq!(after.newest().version, after.version);
                    plan = after;
                } else {
                    prop_assert_eq!(before.state, PlanPhase::Retired);
                }
            }
        }

        #[test]
        fn partners_are_kept_once_in_order(invited in proptest::collection::vec("[a-e]", 0..20)) {
            let kept = partners(invited.iter().map(|slug| slug.parse().unwrap()).collect()).unwrap();
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(invited.iter().all(|slug| kept.iter().any(|kept| kept.as_str() == slug)));
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let now = Time::from_ms(1_700_000_001_000);
        let before = Product {
            description: Some("What it is".parse().unwrap()),
            ..product(Visibility::Partner, vec!["acme".parse().unwrap()])
        };
        let same = before.changed(ProductChange::default(), now).unwrap();
        assert_eq!(same, Product { revision: 2, updated_at: now, ..before.clone() });
        let changed = before
            .changed(
                ProductChange {
                    description: Some(None),
                    visibility: Some(Visibility::Public),
                    partners: Some(vec![]),
                    ..ProductChange::default()
                },
                now,
            )
            .unwrap();
        assert_eq!((changed.description, changed.visibility, changed.partners), (None, Visibility::Public, vec![]));
    }

    #[test]
    fn what_a_subscription_carries_is_the_newest_version() {
        let now = Time::from_ms(1_700_000_000_000);
        let product = product(Visibility::Public, vec![]);
        let dear = PlanTerms::new(Wish {
            currency: Some("EUR".parse().unwrap()),
            price_per_call: Some("0.01".parse().unwrap()),
            ..Wish::default()
        })
        .unwrap();
        let plan = plan().revised(dear, now).unwrap();
        let terms = plan.offered(&product.apis);
        assert_eq!((terms.plan, terms.plan_version, terms.price_per_call.to_string()), (plan.id, 2, "0.01".to_owned()));
        assert_eq!(terms.apis, product.apis);
        assert_eq!(plan.state(&product).terms, terms);
    }

    #[test]
    fn a_retired_plan_has_no_new_versions() {
        let now = Time::from_ms(1_700_000_000_000);
        let retired = plan().retired(now).unwrap();
        assert!(matches!(retired.revised(retired.terms.clone(), now), Err(Error::Retired)));
        assert_eq!(retired.retired(now), None);
        let last = Plan { version: VERSIONS_MAX, ..plan() };
        assert!(matches!(last.revised(last.terms.clone(), now), Err(Error::TooManyVersions)));
    }

    #[test]
    fn an_api_named_twice_is_there_once_and_limits_hold() {
        let api = ApiName { id: ApiId::new(), slug: "weather".parse().unwrap() };
        assert_eq!(apis(vec![api.clone(), api.clone()]), vec![api]);
        assert!(apis_count(0).is_err() && apis_count(APIS_MAX + 1).is_err() && apis_count(APIS_MAX).is_ok());
        assert!(partners(vec!["a".parse().unwrap(); PARTNERS_MAX + 1]).is_err());
        assert!(product_slug("public".parse().unwrap()).is_err() && product_slug("publics".parse().unwrap()).is_ok());
        assert!("a\n\tb".parse::<Description>().is_ok());
        for bad in ["", "a\u{0}", "\u{85}", &"a".repeat(2_001)] {
            assert_eq!(bad.parse::<Description>(), Err(NotADescription), "{bad:?}");
        }
    }
}
