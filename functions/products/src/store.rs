//! The table: keys, rows, conditions, outcomes.
//!
//! | pk | sk | what |
//! | --- | --- | --- |
//! | `ORG#{id}` | `PRODUCT#{slug}` | a product |
//! | `ORG#{id}` | `PLAN#{product}#{slug}` | a plan with its newest terms |
//! | `ORG#{id}` | `VERSION#{plan id}#{version}` | one version of a plan, immutable |
//! | `ORG#{id}` | `ID#{id}` | the slug of the product or the plan of this id |
//! | `ORG#{id}` | `COUNT`, `COUNT#{product}` | how many products, and plans of a product, there are |
//! | `SELLER#{slug}` | `SELLER` | the organization of this slug, once it has a product |
//! | `ORG#{id}` | `OUT#…` | the outbox |
//! | `IDEM#…` | `IDEM` | answers to repeated requests |

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{ALL_OLD, Row, Slice, StoreError, Table};
use shared::chassis::transaction::{Commit, Transaction};
use shared::id::OrganizationId;
use shared::page::PageRequest;
use shared::principal::Party;
use shared::slug::{Name, Slug};
use shared::time::Time;

use crate::domain::{PLANS_MAX, PRODUCTS_MAX, Plan, PlanVersion, Product};
use crate::error::Error;
use crate::terms::PlanTerms;

const PRODUCT: &str = "PRODUCT#";
const ATTEMPTS_MAX: u32 = 4;
const SLICE: u16 = 200;

/// A product's slug or id.
pub(crate) type ProductName = Name<shared::id::Product>;
/// A plan's slug or id.
pub(crate) type PlanName = Name<shared::id::Plan>;

/// The function's table.
#[derive(Clone)]
pub(crate) struct Store {
    table: Table,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Called {
    slug: Slug,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Seller {
    organization: Party,
}

fn organization_pk(id: OrganizationId) -> String {
    format!("ORG#{id}")
}

fn plan_prefix(product: &Slug) -> String {
    format!("PLAN#{product}#")
}

fn version_sk(plan: &Plan, version: u32) -> String {
    format!("VERSION#{}#{version:06}", plan.id)
}

fn refused(label: &'static str) -> Error {
    match label {
        "new product" => Error::ProductTaken,
        "new plan" => Error::PlanTaken,
        "products" => Error::TooManyProducts,
        "plans" => Error::TooManyPlans,
        "product" | "plan" => Error::Stale,
        other => Error::Unexpected(other),
    }
}

/// `Some` is the answer that the same request was given before.
async fn commit(transaction: Transaction<'_>) -> Result<Option<Reply>, Error> {
    match transaction.commit().await? {
        Commit::Done => Ok(None),
        Commit::Replay(reply) => Ok(Some(reply)),
        Commit::Refused { label, .. } => Err(refused(label)),
    }
}

impl Store {
    /// On this table.
    #[must_use]
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// What a repeated request was answered the first time, if it was.
    pub(crate) async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, Error> {
        Ok(self.table.replay(idempotency).await?)
    }

    /// One more of something. Invariant: never more than its limit.
    fn count(
        &self,
        transaction: &mut Transaction<'_>,
        label: &'static str,
        pk: &str,
        sk: String,
        max: u32,
    ) -> Result<(), Error> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk))
            .update_expression("ADD #count :one")
            .condition_expression("attribute_not_exists(#count) OR #count < :max")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .expression_attribute_values(":max", AttributeValue::N(max.to_string()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push(label, TransactWriteItem::builder().update(update).build());
        Ok(())
    }

    /// The slug of something that is named by its id.
    async fn slug_of(&self, pk: &str, id: String) -> Result<Slug, Error> {
        let called: Called = self.table.get(pk, format!("ID#{id}")).await?.ok_or(Error::NotFound)?;
        Ok(called.slug)
    }

    // ---------------------------------------------------------------- products

    /// A product of an organization.
    pub(crate) async fn product(&self, organization: OrganizationId, name: &ProductName) -> Result<Product, Error> {
        let pk = organization_pk(organization);
        let slug = match name {
            Name::Slug(slug) => slug.clone(),
            Name::Id(id) => self.slug_of(&pk, id.to_string()).await?,
        };
        self.table.get(pk, format!("{PRODUCT}{slug}")).await?.ok_or(Error::NotFound)
    }

    /// A page of an organization's products, in the order of their slugs.
    pub(crate) async fn products(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Slice<Product>, Error> {
        Ok(self.table.list(&organization_pk(organization), PRODUCT, page.after.as_deref(), page.size).await?)
    }

    /// All of an organization's products, at most [`PRODUCTS_MAX`].
    pub(crate) async fn all_products(&self, organization: OrganizationId) -> Result<Vec<Product>, Error> {
        self.all(&organization_pk(organization), PRODUCT).await
    }

    async fn all<T: serde::de::DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<T>, Error> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let slice: Slice<T> = self.table.list(pk, prefix, after.as_deref(), SLICE).await?;
            rows.extend(slice.rows);
            after = slice.position;
            if after.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The organization that is named, if it sells anything.
    pub(crate) async fn seller(&self, name: &Name<shared::id::Organization>) -> Result<OrganizationId, Error> {
        match name {
            Name::Id(id) => Ok(*id),
            Name::Slug(slug) => {
                let seller: Seller =
                    self.table.get(format!("SELLER#{slug}"), "SELLER").await?.ok_or(Error::NotFound)?;
                Ok(seller.organization.id)
            }
        }
    }

    /// Adds a product. Invariant: a slug belongs to one product of an organization for ever.
    pub(crate) async fn add_product(
        &self,
        product: &Product,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Option<Reply>, Error> {
        let pk = organization_pk(product.organization.id);
        let mut transaction = self.table.transaction();
        transaction.create("new product", Row::new(&pk, format!("{PRODUCT}{}", product.slug), product)?)?;
        transaction
            .create("id", Row::new(&pk, format!("ID#{}", product.id), &Called { slug: product.slug.clone() })?)?;
        self.count(&mut transaction, "products", &pk, "COUNT".into(), PRODUCTS_MAX)?;
        let seller_pk = format!("SELLER#{}", product.organization.slug);
        if self.table.get::<Seller>(&seller_pk, "SELLER").await?.is_none() {
            // Whoever else writes it writes the same.
            transaction.put(
                "seller",
                Row::new(seller_pk, "SELLER", &Seller { organization: product.organization.clone() })?,
            )?;
        }
        transaction.emit(&pk, &product.state(), now)?;
        transaction.remember(idempotency, reply)?;
        commit(transaction).await
    }

    /// Keeps a product's new state, unless it was changed since.
    pub(crate) async fn change_product(&self, product: &Product, now: Time) -> Result<(), Error> {
        let pk = organization_pk(product.organization.id);
        let mut transaction = self.table.transaction();
        transaction.replace(
            "product",
            Row::new(&pk, format!("{PRODUCT}{}", product.slug), product)?,
            product.revision - 1,
        )?;
        transaction.emit(&pk, &product.state(), now)?;
        commit(transaction).await.map(drop)
    }

    // ---------------------------------------------------------------- plans

    /// A plan of a product.
    pub(crate) async fn plan(&self, product: &Product, name: &PlanName) -> Result<Plan, Error> {
        let pk = organization_pk(product.organization.id);
        let slug = match name {
            Name::Slug(slug) => slug.clone(),
            Name::Id(id) => self.slug_of(&pk, id.to_string()).await?,
        };
        let plan: Plan =
            self.table.get(pk, format!("{}{slug}", plan_prefix(&product.slug))).await?.ok_or(Error::NotFound)?;
        match name {
            // An id of another product's plan, whose slug this product has too.
            Name::Id(id) if *id != plan.id => Err(Error::NotFound),
            _ => Ok(plan),
        }
    }

    /// A page of a product's plans, in the order of their slugs.
    pub(crate) async fn plans(&self, product: &Product, page: &PageRequest) -> Result<Slice<Plan>, Error> {
        Ok(self
            .table
            .list(
                &organization_pk(product.organization.id),
                &plan_prefix(&product.slug),
                page.after.as_deref(),
                page.size,
            )
            .await?)
    }

    /// All of a product's plans, at most [`PLANS_MAX`].
    pub(crate) async fn all_plans(&self, product: &Product) -> Result<Vec<Plan>, Error> {
        self.all(&organization_pk(product.organization.id), &plan_prefix(&product.slug)).await
    }

    /// One version of a plan.
    pub(crate) async fn version(&self, product: &Product, plan: &Plan, version: u32) -> Result<PlanVersion, Error> {
        self.table
            .get(organization_pk(product.organization.id), version_sk(plan, version))
            .await?
            .ok_or(Error::NotFound)
    }

    /// A page of a plan's versions, the oldest first.
    pub(crate) async fn versions(
        &self,
        product: &Product,
        plan: &Plan,
        page: &PageRequest,
    ) -> Result<Slice<PlanVersion>, Error> {
        let prefix = format!("VERSION#{}#", plan.id);
        Ok(self
            .table
            .list(&organization_pk(product.organization.id), &prefix, page.after.as_deref(), page.size)
            .await?)
    }

    /// Adds a plan. Invariant: a slug belongs to one plan of a product for ever.
    pub(crate) async fn add_plan(
        &self,
        product: &Product,
        plan: &Plan,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Option<Reply>, Error> {
        let pk = organization_pk(product.organization.id);
        let mut transaction = self.table.transaction();
        transaction.create("new plan", plan_row(&pk, product, plan)?)?;
        transaction.create("id", Row::new(&pk, format!("ID#{}", plan.id), &Called { slug: plan.slug.clone() })?)?;
        transaction.create("version", Row::new(&pk, version_sk(plan, plan.version), &plan.newest())?)?;
        self.count(&mut transaction, "plans", &pk, format!("COUNT#{}", product.slug), PLANS_MAX)?;
        transaction.emit(&pk, &plan.state(product), now)?;
        transaction.remember(idempotency, reply)?;
        commit(transaction).await
    }

    /// Gives a plan a new version. Invariants: a version never changes, and versions are contiguous. `reply` makes the answer.
    pub(crate) async fn add_version<F: Fn(&Plan) -> Result<Reply, shared::problem::Problem>>(
        &self,
        product: &Product,
        name: &PlanName,
        terms: &PlanTerms,
        idempotency: Option<&Idempotency>,
        reply: F,
        now: Time,
    ) -> Result<Reply, shared::problem::Problem> {
        let pk = organization_pk(product.organization.id);
        for _ in 0..ATTEMPTS_MAX {
            let before = self.plan(product, name).await?;
            let plan = before.revised(terms.clone(), now)?;
            let answer = reply(&plan)?;
            let mut transaction = self.table.transaction();
            transaction.replace("plan", plan_row(&pk, product, &plan)?, before.revision)?;
            transaction.create("version", Row::new(&pk, version_sk(&plan, plan.version), &plan.newest())?)?;
            transaction.emit(&pk, &plan.state(product), now)?;
            transaction.remember(idempotency, &answer)?;
            match commit(transaction).await {
                Ok(earlier) => return Ok(earlier.unwrap_or(answer)),
                Err(Error::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended.into())
    }

    /// Retires a plan; one that is retired already stays as it is.
    pub(crate) async fn retire(&self, product: &Product, name: &PlanName, now: Time) -> Result<Plan, Error> {
        let pk = organization_pk(product.organization.id);
        for _ in 0..ATTEMPTS_MAX {
            let before = self.plan(product, name).await?;
            let Some(plan) = before.retired(now) else { return Ok(before) };
            let mut transaction = self.table.transaction();
            transaction.replace("plan", plan_row(&pk, product, &plan)?, before.revision)?;
            transaction.emit(&pk, &plan.state(product), now)?;
            match commit(transaction).await {
                Err(Error::Stale) => {}
                other => return other.map(|_| plan),
            }
        }
        Err(Error::Contended)
    }
}

fn plan_row(pk: &str, product: &Product, plan: &Plan) -> Result<Row, StoreError> {
    Row::new(pk, format!("{}{}", plan_prefix(&product.slug), plan.slug), plan)
}
