//! APIs.

use serde::{Deserialize, Serialize};
use shared::chassis::reply::Reply;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::transaction::{Commit, Transaction};
use shared::event::Visibility;
use shared::id::{Api as ApiKind, ApiId, OrganizationId};
use shared::page::PageRequest;
use shared::principal::Principal;
use shared::problem::Problem;
use shared::slug::{Name, Slug};
use shared::text::Label;

use super::search::change_api;
use super::services::OFFERS;
use super::{ATTEMPTS_MAX, OrganizationRow, Place, Store, Writer, organization};
use crate::domain::{Api, Cors, HttpUrl, ServiceRef};
use crate::error::Error;
use crate::events::api_state;

/// What its maker says about an API.
pub(crate) struct NewApi {
    pub(crate) slug: Slug,
    pub(crate) name: Label,
    pub(crate) visibility: Visibility,
    pub(crate) partners: Vec<Slug>,
    pub(crate) service: Option<ServiceRef>,
    pub(crate) upstream_url: Option<HttpUrl>,
    pub(crate) cors: Option<Cors>,
}

/// How many APIs an organization ever made: their numbers are never used again.
#[derive(Serialize, Deserialize, Default)]
struct Counter {
    revision: u64,
    apis: u32,
}

impl Store {
    /// A new API with the next number. Its slug is taken once: the row's key is the slug.
    pub(crate) async fn create_api(
        &self,
        new: NewApi,
        writer: &Writer<'_>,
        present: impl Fn(&Api) -> Result<Reply, Problem>,
    ) -> Result<Reply, Error> {
        let owner = writer.organization;
        let pk = organization(owner.id);
        let mut api = Api {
            id: ApiId::new(),
            revision: 1,
            organization: owner.clone(),
            slug: new.slug,
            number: 0,
            name: new.name,
            visibility: new.visibility,
            partners: new.partners,
            service: new.service,
            upstream_url: new.upstream_url,
            cors: new.cors,
            current: None,
            created_at: writer.now,
            updated_at: writer.now,
        };
        for _ in 0..ATTEMPTS_MAX {
            let counter: Option<Counter> = self.table.get(&pk, "COUNTER").await?;
            let before = counter.unwrap_or_default();
            api.number = before.apis + 1;
            let reply = present(&api)?;
            let mut transaction = self.table.transaction();
            transaction.create("api", Row::new(&pk, format!("API#{}", api.slug), &api)?)?;
            transaction.create(
                "name",
                Row::new(api.id.to_string(), "NAME", &Place { organization: owner.id, slug: api.slug.clone() })?,
            )?;
            let counter = Row::new(&pk, "COUNTER", &Counter { revision: before.revision + 1, apis: api.number })?;
            if before.revision == 0 {
                transaction.create("counter", counter)?;
            } else {
                transaction.replace("counter", counter, before.revision)?;
            }
            transaction
                .put("slug", Row::new(format!("SLUG#{}", owner.slug), "ORG", &OrganizationRow { id: owner.id })?)?;
            if let Some(service) = &api.service {
                self.offer(&mut transaction, service)?;
            }
            change_api(&mut transaction, None, (&api, ""))?;
            transaction.emit(&pk, &api_state(&api), writer.now)?;
            transaction.remember(writer.idempotency, &reply)?;
            match transaction.commit().await? {
                Commit::Done => return Ok(reply),
                Commit::Replay(reply) => return Ok(reply),
                Commit::Refused { label: "counter", .. } => {}
                Commit::Refused { label: OFFERS, .. } => return Err(gone(&api)),
                Commit::Refused { .. } => {
                    return Err(Error::Taken {
                        pointer: "/slug",
                        detail: format!("Your organization has an API `{}` already.", api.slug),
                    });
                }
            }
        }
        Err(Error::Contended)
    }

    /// A changed API in place of the revision before. Its event goes along.
    pub(crate) async fn replace_api(
        &self,
        (before, api): (&Api, &Api),
        writer: &Writer<'_>,
        reply: Reply,
    ) -> Result<Reply, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let mut transaction = self.table.transaction();
            put_api(&mut transaction, api, writer)?;
            if let Some(service) = api.service.as_ref().filter(|_| before.service != api.service) {
                self.offer(&mut transaction, service)?;
            }
            if before.name != api.name {
                // The title that is searched with the name must not change meanwhile.
                let counter = self.counter(api.id).await?;
                counter.hold(&mut transaction, &self.table.name, api.id)?;
                change_api(&mut transaction, Some((before, &counter.title)), (api, &counter.title))?;
            }
            transaction.remember(writer.idempotency, &reply)?;
            match transaction.commit().await? {
                Commit::Done => return Ok(reply),
                Commit::Replay(reply) => return Ok(reply),
                Commit::Refused { label: "counter", .. } => {}
                Commit::Refused { label: OFFERS, .. } => return Err(gone(api)),
                Commit::Refused { .. } => return Err(Error::Stale),
            }
        }
        Err(Error::Contended)
    }

    /// An API of this organization.
    pub(crate) async fn api(&self, owner: OrganizationId, name: &Name<ApiKind>) -> Result<Option<Api>, StoreError> {
        let slug = match name {
            Name::Slug(slug) => slug.clone(),
            Name::Id(id) => match self.table.get::<Place>(id.to_string(), "NAME").await? {
                Some(place) if place.organization == owner => place.slug,
                _ => return Ok(None),
            },
        };
        self.table.get(organization(owner), format!("API#{slug}")).await
    }

    /// The organization's first APIs, at most so many; the position is there if there are more.
    pub(crate) async fn first_apis(&self, owner: OrganizationId, most: usize) -> Result<Slice<Api>, StoreError> {
        self.first(&organization(owner), "API#", most).await
    }

    /// The organization's APIs that are among these, by slug.
    pub(crate) async fn apis_if(
        &self,
        owner: OrganizationId,
        page: &PageRequest,
        is_meant: impl Fn(&Api) -> bool,
    ) -> Result<Slice<Api>, StoreError> {
        self.seen((&organization(owner), "API#"), page, is_meant, |api: &Api| format!("API#{}", api.slug)).await
    }

    /// The organization's APIs, by slug.
    pub(crate) async fn apis(
        &self,
        owner: OrganizationId,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Slice<Api>, StoreError> {
        self.table.list(&organization(owner), "API#", after, limit).await
    }

    /// The organization's APIs that the public side shows to this caller, by slug.
    pub(crate) async fn shown_apis(
        &self,
        owner: OrganizationId,
        caller: Option<&Principal>,
        page: &PageRequest,
    ) -> Result<Slice<Api>, StoreError> {
        let pk = organization(owner);
        self.seen((&pk, "SHOWN#"), page, |api: &Api| api.is_visible_to(caller), |api| shown_row(&api.slug)).await
    }
}

/// The service that an API names ended in the meantime.
fn gone(api: &Api) -> Error {
    Error::no_service(api.service.as_ref().map_or("", |service| service.slug.as_str()))
}

fn shown_row(slug: &Slug) -> String {
    format!("SHOWN#{slug}")
}

/// The API in place of the revision before, what the public side lists, and the event.
pub(super) fn put_api(transaction: &mut Transaction<'_>, api: &Api, writer: &Writer<'_>) -> Result<(), StoreError> {
    let pk = organization(api.organization.id);
    transaction.replace("api", Row::new(&pk, format!("API#{}", api.slug), api)?, api.revision - 1)?;
    let shown = shown_row(&api.slug);
    if api.is_shown() {
        transaction.put("shown", Row::new(&pk, shown, api)?)?;
    } else {
        transaction.delete("shown", &pk, shown, None)?;
    }
    transaction.emit(&pk, &api_state(api), writer.now)
}
