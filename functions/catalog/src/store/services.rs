//! Services.

use shared::chassis::reply::Reply;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::transaction::Commit;
use shared::id::{OrganizationId, Service as ServiceKind};
use shared::slug::Name;

use super::search::change_service;
use super::{Place, Store, Writer, organization};
use crate::domain::Service;
use crate::error::Error;
use crate::events::service_state;

impl Store {
    /// A new service. Its slug is taken once: the row's key is the slug.
    pub(crate) async fn create_service(
        &self,
        service: &Service,
        writer: &Writer<'_>,
        reply: Reply,
    ) -> Result<Reply, Error> {
        let pk = organization(service.organization.id);
        let mut transaction = self.table.transaction();
        transaction.create("service", Row::new(&pk, format!("SERVICE#{}", service.slug), service)?)?;
        transaction.create(
            "name",
            Row::new(
                service.id.to_string(),
                "NAME",
                &Place { organization: service.organization.id, slug: service.slug.clone() },
            )?,
        )?;
        change_service(&mut transaction, None, service)?;
        transaction.emit(&pk, &service_state(service), writer.now)?;
        transaction.remember(writer.idempotency, &reply)?;
        match transaction.commit().await? {
            Commit::Done => Ok(reply),
            Commit::Replay(reply) => Ok(reply),
            Commit::Refused { .. } => Err(Error::Taken {
                pointer: "/slug",
                detail: format!("Your organization has a service `{}` already.", service.slug),
            }),
        }
    }

    /// A changed service in place of the revision before.
    pub(crate) async fn replace_service(
        &self,
        (before, service): (&Service, &Service),
        writer: &Writer<'_>,
        reply: Reply,
    ) -> Result<Reply, Error> {
        let pk = organization(service.organization.id);
        let mut transaction = self.table.transaction();
        transaction.replace(
            "service",
            Row::new(&pk, format!("SERVICE#{}", service.slug), service)?,
            service.revision - 1,
        )?;
        change_service(&mut transaction, Some(before), service)?;
        transaction.emit(&pk, &service_state(service), writer.now)?;
        transaction.remember(writer.idempotency, &reply)?;
        match transaction.commit().await? {
            Commit::Done => Ok(reply),
            Commit::Replay(reply) => Ok(reply),
            Commit::Refused { .. } => Err(Error::Stale),
        }
    }

    /// A service of this organization.
    pub(crate) async fn service(
        &self,
        owner: OrganizationId,
        name: &Name<ServiceKind>,
    ) -> Result<Option<Service>, StoreError> {
        let slug = match name {
            Name::Slug(slug) => slug.clone(),
            Name::Id(id) => match self.table.get::<Place>(id.to_string(), "NAME").await? {
                Some(place) if place.organization == owner => place.slug,
                _ => return Ok(None),
            },
        };
        self.table.get(organization(owner), format!("SERVICE#{slug}")).await
    }

    /// The organization's first services, at most so many; the position is there if there are more.
    pub(crate) async fn first_services(
        &self,
        owner: OrganizationId,
        most: usize,
    ) -> Result<Slice<Service>, StoreError> {
        self.first(&organization(owner), "SERVICE#", most).await
    }

    /// The organization's services, by slug.
    pub(crate) async fn services(
        &self,
        owner: OrganizationId,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Slice<Service>, StoreError> {
        self.table.list(&organization(owner), "SERVICE#", after, limit).await
    }
}
