//! The public side: what anyone sees of what is for sale, and a little more for those who are invited.

use axum::extract::State;
use shared::chassis::extract::{Caller, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::{ApiName, Terms, Visibility};
use shared::id::{PlanId, ProductId};
use shared::page::{Page, PageQuery};
use shared::principal::{Party, needs};
use shared::problem::Problem;
use shared::slug::{Name, Slug};
use shared::text::Label;

use super::AppState;
use crate::domain::{Description, Plan, PlanPhase, Product};
use crate::error::Error;
use crate::store::ProductName;

/// An organization's slug or id.
type SellerName = Name<shared::id::Organization>;

/// A product in a path.
#[derive(serde::Deserialize)]
pub(crate) struct ProductPath {
    organization: SellerName,
    product: ProductName,
}

/// A product as its buyers see it.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct PublicProduct {
    /// Its id.
    id: ProductId,
    /// Raised by every change of the product.
    revision: u64,
    /// Its slug.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// Who may see it.
    visibility: Visibility,
    /// The organization that sells it.
    organization: Party,
    /// The APIs in it.
    apis: Vec<ApiName>,
}

/// A product with its plans.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Offer {
    #[serde(flatten)]
    product: PublicProduct,
    /// Its plans with their newest terms, in the order of their slugs.
    plans: Vec<OfferedPlan>,
}

/// A plan as its buyers see it.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct OfferedPlan {
    /// Its id.
    id: PlanId,
    /// Its slug.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Whether it takes new subscriptions.
    state: PlanPhase,
    /// Raised by every new version, and when it is retired.
    revision: u64,
    /// The newest terms.
    terms: Terms,
}

impl From<Product> for PublicProduct {
    fn from(product: Product) -> Self {
        let Product { id, revision, slug, name, description, visibility, organization, apis, .. } = product;
        Self { id, revision, slug, name, description, visibility, organization, apis }
    }
}

impl OfferedPlan {
    fn of(plan: Plan, product: &Product) -> Self {
        let terms = plan.offered(&product.apis);
        Self { id: plan.id, slug: plan.slug, name: plan.name, state: plan.state, revision: plan.revision, terms }
    }
}

/// What an organization sells, in the order of the slugs: its public products, the ones that the caller is invited to, and all of
/// them for its own. One that sells nothing that the caller may see has an empty list, like one that does not exist.
#[utoipa::path(get, path = "/v1/products/public/{organization}", operation_id = "list_public_products", tag = "public", security(()),
    params(("organization" = SellerName, Path, description = "The organization's slug or id."), PageQuery),
    responses((status = 200, description = "A page of products.", body = Page<PublicProduct>)))]
pub(crate) async fn list(
    caller: Option<Caller<needs::ProductsRead>>,
    Path(organization): Path<SellerName>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let caller = caller.as_ref().map(|caller| &caller.organization);
    let list = format!("public/{organization}/{}", caller.map_or_else(String::new, |caller| caller.id.to_string()));
    let page = app.pages.open(&list, &query)?;
    let products = match app.store.seller(&organization).await {
        Ok(seller) => app.store.all_products(seller).await?,
        Err(Error::NotFound) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    // All of them are read and the page is cut out here: a page cut by the table would tell how many there are that are not shown.
    let mut seen = products.into_iter().filter(|product| {
        product.is_seen_by(caller) && page.after.as_deref().is_none_or(|after| product.slug.as_str() > after)
    });
    let items: Vec<PublicProduct> = seen.by_ref().take(page.size.into()).map(PublicProduct::from).collect();
    let position = seen.next().and_then(|_| items.last().map(|last| last.slug.to_string()));
    Reply::ok(&app.pages.page(&list, items, position)?)
}

/// A product with its plans, each with its newest terms.
#[utoipa::path(get, path = "/v1/products/public/{organization}/{product}", operation_id = "get_public_product", tag = "public", security(()),
    params(("organization" = SellerName, Path, description = "The organization's slug or id."), ("product" = ProductName, Path, description = "The product's slug or id.")),
    responses((status = 200, description = "The product.", body = Offer, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn one(
    caller: Option<Caller<needs::ProductsRead>>,
    Path(ProductPath { organization, product }): Path<ProductPath>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let seller = app.store.seller(&organization).await?;
    let product = app.store.product(seller, &product).await?;
    if !product.is_seen_by(caller.as_ref().map(|caller| &caller.organization)) {
        return Err(Problem::not_found());
    }
    let plans = app.store.all_plans(&product).await?.into_iter().map(|plan| OfferedPlan::of(plan, &product)).collect();
    let revision = product.revision;
    Ok(Reply::ok(&Offer { product: product.into(), plans })?.revision(revision))
}
