//! How a product is named across organizations, and what `products` says of it.

use serde::Deserialize;
use shared::chassis::hop::Hop;
use shared::event::Terms;
use shared::id::{Organization, Plan, PlanId, ProductId};
use shared::principal::Party;
use shared::problem::Problem;
use shared::slug::{Name, Slug};

use crate::domain::{Offer, Product};

/// `organization/product`, or `product` for one of one's own organization; each by slug or by id.
#[derive(Clone, Debug)]
pub(super) struct ProductName {
    organization: Option<Name<Organization>>,
    product: Name<shared::id::Product>,
}

/// Why a text names no product.
#[derive(Debug, thiserror::Error)]
#[error("expected `organization/product`, or `product` for one of your own: each a slug or an id")]
pub(super) struct NotAProductName;

impl std::str::FromStr for ProductName {
    type Err = NotAProductName;

    fn from_str(text: &str) -> Result<Self, NotAProductName> {
        let (organization, product) = match text.split_once('/') {
            Some((organization, product)) => (Some(organization.parse().map_err(|_| NotAProductName)?), product),
            None => (None, text),
        };
        Ok(Self { organization, product: product.parse().map_err(|_| NotAProductName)? })
    }
}

impl<'de> Deserialize<'de> for ProductName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shared::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for ProductName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        const SLUG: &str = "[a-z][a-z0-9]*(-[a-z0-9]+)*";
        const ID: &str = "_[0-7][0-9a-hjkmnp-tv-z]{25}";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^(({SLUG}|org{ID})/)?({SLUG}|product{ID})$")))
            .max_length(Some(127))
            .examples(["nimbus/weather"])
            .into()
    }
}

impl utoipa::ToSchema for ProductName {}

/// As much of `products`' answer as matters here.
#[derive(Deserialize)]
struct Answer {
    id: ProductId,
    slug: Slug,
    organization: Party,
    plans: Vec<AnswerPlan>,
}

#[derive(Deserialize)]
struct AnswerPlan {
    id: PlanId,
    slug: Slug,
    state: PlanPhase,
    terms: Terms,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum PlanPhase {
    Active,
    Retired,
}

impl ProductName {
    /// A product by its id, of an organization by its slug.
    pub(super) fn of(provider: &Party, product: ProductId) -> Self {
        Self { organization: Some(Name::Slug(provider.slug.clone())), product: Name::Id(product) }
    }

    /// Asks `products`, in the caller's name, for what a plan of the product offers now. What the caller may not see is not there.
    pub(super) async fn offer(&self, hop: &Hop, own: &Party, plan: &Name<Plan>) -> Result<(Product, Offer), Problem> {
        let organization = self.organization.clone().unwrap_or_else(|| Name::Slug(own.slug.clone()));
        let answer: Answer = match hop.get(&format!("/v1/products/public/{organization}/{}", self.product)).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => {
                return Err(Problem::not_found().field("/product", "names no product that you may subscribe to"));
            }
            Err(error) => return Err(error.into_problem()),
        };
        let is_meant = |offered: &AnswerPlan| match plan {
            Name::Id(id) => offered.id == *id,
            Name::Slug(slug) => offered.slug == *slug,
        };
        let Some(plan) = answer.plans.into_iter().find(is_meant) else {
            return Err(plan_not_found());
        };
        let product = Product { id: answer.id, slug: answer.slug, provider: answer.organization };
        Ok((product, Offer { retired: plan.state == PlanPhase::Retired, terms: plan.terms }))
    }
}

/// A body names a plan that the product does not have, or that the caller may not see.
pub(super) fn plan_not_found() -> Problem {
    Problem::not_found().field("/plan", "names no plan of the product that you may subscribe to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_named_with_or_without_its_organization() {
        let name: ProductName = "nimbus/weather".parse().unwrap();
        assert_eq!(
            (name.organization.unwrap().to_string(), name.product.to_string()),
            ("nimbus".into(), "weather".into())
        );
        let id = ProductId::new();
        let name: ProductName = id.to_string().parse().unwrap();
        assert!(name.organization.is_none() && name.product == Name::Id(id));
        for bad in [
            "",
            "/",
            "/weather",
            "nimbus/",
            "a/b/c",
            "Nimbus/weather",
            "plan_01h455vb4pex5vsknk084sn02q",
            "nimbus/org_01h455vb4pex5vsknk084sn02q",
        ] {
            assert!(bad.parse::<ProductName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_products_says_is_understood() {
        let answer = serde_json::json!({
            "id": ProductId::new(), "slug": "weather", "name": "Weather data", "visibility": "public", "revision": 3,
            "organization": {"id": shared::id::OrganizationId::new(), "slug": "nimbus"}, "apis": [],
            "plans": [{"id": PlanId::new(), "slug": "starter", "name": "Starter", "state": "active", "revision": 1, "terms": {
                "plan": PlanId::new(), "plan_slug": "starter", "plan_version": 1, "apis": [], "currency": "EUR", "monthly_price": "9.00",
                "included_calls": 1000, "price_per_call": "0.005", "quota": {"calls": 200, "period": "month", "kind": "hard"},
                "rate": {"calls": 50, "per_seconds": 1, "burst": 100}, "weights": {"search": 5}, "approval": "manual"}}],
        });
        let answer: Answer = serde_json::from_value(answer).unwrap();
        assert_eq!(answer.plans[0].terms.weights["search"], 5);
        assert!(answer.plans[0].state == PlanPhase::Active);
    }
}
