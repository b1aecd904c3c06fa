//! Plans, for the organization that sells the product.

use std::collections::BTreeMap;

use axum::extract::State;
use shared::chassis::extract::{Caller, Idempotency, Json, Now, Path, Query};
use shared::chassis::reply::Reply;
use shared::event::{Admission, Approval, Quota, Rate};
use shared::id::{PlanId, ProductId};
use shared::money::{Currency, Decimal};
use shared::page::{Page, PageQuery};
use shared::principal::needs;
use shared::problem::Problem;
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::AppState;
use crate::domain::{Plan, PlanPhase, PlanVersion};
use crate::store::{PlanName, ProductName};
use crate::terms::{OPERATION_CHARS_MAX, PlanTerms, WEIGHT_MAX, WEIGHTS_MAX, Wish};

/// A plan in a path. A struct, not a tuple: so a wrong part is called by its name.
#[derive(serde::Deserialize)]
pub(crate) struct PlanPath {
    product: ProductName,
    plan: PlanName,
}

/// A plan's version in a path.
#[derive(serde::Deserialize)]
pub(crate) struct VersionPath {
    product: ProductName,
    plan: PlanName,
    version: u32,
}

/// A new plan. What is left out has its default.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlan {
    /// Unique in the product, never changes.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// The currency of the prices; required where something has a price, otherwise USD.
    #[serde(default)]
    currency: Option<Currency>,
    /// The price of a month; 0 when left out.
    #[serde(default)]
    monthly_price: Option<Decimal>,
    /// Units included in the month's price; 0 when left out.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    included_calls: Option<u64>,
    /// The price of every further unit; 0 when left out.
    #[serde(default)]
    price_per_call: Option<Decimal>,
    /// How many units a window allows; unlimited when left out.
    #[serde(default)]
    quota: Option<Quota>,
    /// How fast calls may come; unlimited when left out.
    #[serde(default)]
    rate: Option<Rate>,
    /// Units of a call by operation id, 1 to 1000 each, at most 500 operations; 1 for those that are not named. None may be more
    /// than the whole quota or the rate's burst.
    #[serde(default)]
    #[schema(schema_with = weights_schema)]
    weights: Option<BTreeMap<String, u32>>,
    /// Whether a subscription waits for the provider; `automatic` when left out.
    #[serde(default)]
    approval: Option<Approval>,
    /// How the door admits; `exact` when left out.
    #[serde(default)]
    admission: Option<Admission>,
}

/// The terms of a new version of a plan. What is left out has its default, not what the version before says.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    /// The currency of the prices; required where something has a price, otherwise USD.
    #[serde(default)]
    currency: Option<Currency>,
    /// The price of a month; 0 when left out.
    #[serde(default)]
    monthly_price: Option<Decimal>,
    /// Units included in the month's price; 0 when left out.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000_000_u64)]
    included_calls: Option<u64>,
    /// The price of every further unit; 0 when left out.
    #[serde(default)]
    price_per_call: Option<Decimal>,
    /// How many units a window allows; unlimited when left out.
    #[serde(default)]
    quota: Option<Quota>,
    /// How fast calls may come; unlimited when left out.
    #[serde(default)]
    rate: Option<Rate>,
    /// Units of a call by operation id, 1 to 1000 each, at most 500 operations; 1 for those that are not named. None may be more
    /// than the whole quota or the rate's burst.
    #[serde(default)]
    #[schema(schema_with = weights_schema)]
    weights: Option<BTreeMap<String, u32>>,
    /// Whether a subscription waits for the provider; `automatic` when left out.
    #[serde(default)]
    approval: Option<Approval>,
    /// How the door admits; `exact` when left out.
    #[serde(default)]
    admission: Option<Admission>,
}

fn weights_schema() -> Object {
    let weight = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(WEIGHT_MAX));
    let operation = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(OPERATION_CHARS_MAX))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .description(Some("Units of a call by operation id; 1 for those that are not named. None may be more than the whole quota or the rate's burst."))
        .property_names(Some(operation.build()))
        .additional_properties(Some(weight))
        .max_properties(Some(WEIGHTS_MAX))
        .build()
}

macro_rules! wish {
    ($body:ident) => {
        Wish {
            currency: $body.currency,
            monthly_price: $body.monthly_price,
            included_calls: $body.included_calls,
            price_per_call: $body.price_per_call,
            quota: $body.quota,
            rate: $body.rate,
            weights: $body.weights,
            approval: $body.approval,
            admission: $body.admission,
        }
    };
}

/// A plan with the terms of its newest version.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    /// Its id.
    id: PlanId,
    /// Raised by every new version, and when it is retired; the `ETag`.
    revision: u64,
    /// The product.
    product: ProductId,
    /// Its slug.
    slug: Slug,
    /// Its name for people.
    name: Label,
    /// Whether it takes new subscriptions.
    state: PlanPhase,
    /// The newest version, counted from 1.
    version: u32,
    #[serde(flatten)]
    terms: PlanTerms,
    /// When the plan was made.
    created_at: Time,
    /// When it was last changed.
    updated_at: Time,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let Plan { id, revision, product, slug, name, state, version, terms, created_at, updated_at } = plan;
        Self { id, revision, product, slug, name, state, version, terms, created_at, updated_at }
    }
}

/// One immutable version of a plan.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PlanVersion)]
pub(crate) struct VersionView {
    /// The plan's id.
    id: PlanId,
    /// The plan's slug.
    slug: Slug,
    /// The version, counted from 1.
    version: u32,
    #[serde(flatten)]
    terms: PlanTerms,
    /// When the version was made.
    created_at: Time,
}

impl From<PlanVersion> for VersionView {
    fn from(version: PlanVersion) -> Self {
        let PlanVersion { id, slug, version, terms, created_at } = version;
        Self { id, slug, version, terms, created_at }
    }
}

/// The product's plans, in the order of their slugs, each with its newest terms.
#[utoipa::path(get, path = "/v1/products/{product}/plans", operation_id = "list_plans", tag = "plans", security(("token" = ["products:read"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), PageQuery),
    responses((status = 200, description = "A page of plans.", body = Page<PlanView>)))]
pub(crate) async fn list(
    caller: Caller<needs::ProductsRead>,
    Path(name): Path<ProductName>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &name).await?;
    let list = format!("plans/{}", product.id);
    let page = app.pages.open(&list, &query)?;
    let slice = app.store.plans(&product, &page).await?;
    let plans: Vec<PlanView> = slice.rows.into_iter().map(PlanView::from).collect();
    Reply::ok(&app.pages.page(&list, plans, slice.position)?)
}

/// Adds a plan to a product.
#[utoipa::path(post, path = "/v1/products/{product}/plans", operation_id = "create_plan", tag = "plans", security(("token" = ["products:write"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewPlan,
    responses((status = 201, description = "The plan, complete.", body = PlanView, headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "Its address.")))))]
pub(crate) async fn create(
    caller: Caller<needs::ProductsWrite>,
    Now(now): Now,
    Path(name): Path<ProductName>,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewPlan>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let product = app.store.product(caller.organization.id, &name).await?;
    let plan = Plan::new(product.id, body.slug, body.name, PlanTerms::new(wish!(body))?, now);
    let address = format!("/v1/products/{}/plans/{}", product.slug, plan.slug);
    let reply = Reply::created(&PlanView::from(plan.clone()), address)?.revision(plan.revision);
    let earlier = app.store.add_plan(&product, &plan, idempotency.as_ref(), &reply, now).await?;
    Ok(earlier.unwrap_or(reply))
}

/// A plan with its newest terms.
#[utoipa::path(get, path = "/v1/products/{product}/plans/{plan}", operation_id = "get_plan", tag = "plans", security(("token" = ["products:read"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("plan" = PlanName, Path, description = "The plan's slug or id.")),
    responses((status = 200, description = "The plan.", body = PlanView, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn one(
    caller: Caller<needs::ProductsRead>,
    Path(PlanPath { product, plan }): Path<PlanPath>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &product).await?;
    let plan = app.store.plan(&product, &plan).await?;
    let revision = plan.revision;
    Ok(Reply::ok(&PlanView::from(plan))?.revision(revision))
}

/// A plan's versions, the oldest first.
#[utoipa::path(get, path = "/v1/products/{product}/plans/{plan}/versions", operation_id = "list_plan_versions", tag = "plans", security(("token" = ["products:read"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("plan" = PlanName, Path, description = "The plan's slug or id."), PageQuery),
    responses((status = 200, description = "A page of versions.", body = Page<VersionView>)))]
pub(crate) async fn versions(
    caller: Caller<needs::ProductsRead>,
    Path(PlanPath { product, plan }): Path<PlanPath>,
    Query(query): Query<PageQuery>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &product).await?;
    let plan = app.store.plan(&product, &plan).await?;
    let list = format!("plan-versions/{}", plan.id);
    let page = app.pages.open(&list, &query)?;
    let slice = app.store.versions(&product, &plan, &page).await?;
    let versions: Vec<VersionView> = slice.rows.into_iter().map(VersionView::from).collect();
    Reply::ok(&app.pages.page(&list, versions, slice.position)?)
}

/// Gives a plan new terms: a new version, for new subscriptions and for those that change their plan.
#[utoipa::path(post, path = "/v1/products/{product}/plans/{plan}/versions", operation_id = "revise_plan", tag = "plans", security(("token" = ["products:write"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("plan" = PlanName, Path, description = "The plan's slug or id."),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of the request harmless for 24 hours.", min_length = 1, max_length = 255, pattern = "^[ -~]+$")),
    request_body = NewVersion,
    responses((status = 201, description = "The plan with its new version.", body = PlanView, headers(("ETag" = String, description = "Its revision."), ("Location" = String, description = "The version's address.")))))]
pub(crate) async fn revise(
    caller: Caller<needs::ProductsWrite>,
    Now(now): Now,
    Path(PlanPath { product, plan: name }): Path<PlanPath>,
    idempotency: Option<Idempotency>,
    State(app): State<AppState>,
    Json(body): Json<NewVersion>,
) -> Result<Reply, Problem> {
    if let Some(reply) = app.store.replay(idempotency.as_ref()).await? {
        return Ok(reply);
    }
    let terms = PlanTerms::new(wish!(body))?;
    let product = app.store.product(caller.organization.id, &product).await?;
    let answer = |plan: &Plan| {
        let address = format!("/v1/products/{}/plans/{}/versions/{}", product.slug, plan.slug, plan.version);
        Ok(Reply::created(&PlanView::from(plan.clone()), address)?.revision(plan.revision))
    };
    app.store.add_version(&product, &name, &terms, idempotency.as_ref(), answer, now).await
}

/// One version of a plan.
#[utoipa::path(get, path = "/v1/products/{product}/plans/{plan}/versions/{version}", operation_id = "get_plan_version", tag = "plans", security(("token" = ["products:read"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("plan" = PlanName, Path, description = "The plan's slug or id."),
        ("version" = u32, Path, description = "The version, counted from 1.")),
    responses((status = 200, description = "The version.", body = VersionView)))]
pub(crate) async fn version(
    caller: Caller<needs::ProductsRead>,
    Path(VersionPath { product, plan, version }): Path<VersionPath>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &product).await?;
    let plan = app.store.plan(&product, &plan).await?;
    let version = app.store.version(&product, &plan, version).await?;
    Reply::ok(&VersionView::from(version))
}

/// Retires a plan: it takes no new subscriptions, those that it has go on. Retiring it again changes nothing.
#[utoipa::path(post, path = "/v1/products/{product}/plans/{plan}/retire", operation_id = "retire_plan", tag = "plans", security(("token" = ["products:write"])),
    params(("product" = ProductName, Path, description = "The product's slug or id."), ("plan" = PlanName, Path, description = "The plan's slug or id.")),
    responses((status = 200, description = "The retired plan.", body = PlanView, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn retire(
    caller: Caller<needs::ProductsWrite>,
    Now(now): Now,
    Path(PlanPath { product, plan: name }): Path<PlanPath>,
    State(app): State<AppState>,
) -> Result<Reply, Problem> {
    let product = app.store.product(caller.organization.id, &product).await?;
    let plan = app.store.retire(&product, &name, now).await?;
    let revision = plan.revision;
    Ok(Reply::ok(&PlanView::from(plan))?.revision(revision))
}
