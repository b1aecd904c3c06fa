//! The table: keys, rows, conditions, outcomes.
//!
//! | pk | sk | what |
//! | --- | --- | --- |
//! | `ORG#{id}` | `ORG` | an organization |
//! | `ORG#{id}` | `COUNTS` | how many members, owners and live tokens it has |
//! | `ORG#{id}` | `MEMBER#{id}` | a member |
//! | `ORG#{id}` | `EMAIL#{address}` | that the address is taken |
//! | `ORG#{id}` | `TOKEN#{id}` | a token, with its secret's hash |
//! | `SLUG#{slug}` | `SLUG` | whose slug it is |
//! | `SECRET#{sha256}` | `SECRET` | what a secret opens: the authorizer's one read |
//! | `ORG#{id}` | `OUT#…` | the outbox |
//! | `IDEM#…` | `IDEM` | answers to repeated requests |

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use shared::chassis::extract::Idempotency;
use shared::chassis::reply::Reply;
use shared::chassis::table::{ALL_OLD, Row, Slice, StoreError, Table};
use shared::chassis::transaction::{Commit, Transaction};
use shared::event::MemberState;
use shared::id::{MemberId, OrganizationId, TokenId};
use shared::page::PageRequest;
use shared::principal::{Party, Principal, Role};
use shared::slug::Slug;
use shared::time::Time;

use crate::domain::{Access, MEMBERS_MAX, Member, Organization, TOKENS_MAX, Token, TokenSecret, owners_change};
use crate::error::Error;

const MEMBER: &str = "MEMBER#";
const TOKEN: &str = "TOKEN#";
const ATTEMPTS_MAX: u32 = 4;

/// The function's table.
#[derive(Clone)]
pub struct Store {
    table: Table,
}

/// A token as it is stored.
#[derive(serde::Serialize, serde::Deserialize)]
struct TokenRow {
    #[serde(flatten)]
    token: Token,
    secret_sha256: String,
}

/// Whose slug, or whose address, it is.
#[derive(serde::Serialize, serde::Deserialize)]
struct Taken {
    id: String,
}

/// How many there are at the founding.
#[derive(serde::Serialize)]
struct Counts {
    members: u32,
    owners: u32,
    tokens: u32,
}

/// How the counts change with a write.
#[derive(Clone, Copy, Default)]
struct Change {
    members: i32,
    owners: i32,
    tokens: i32,
}

impl Change {
    /// What must hold before it, and the label by which a refusal is told.
    fn condition(self) -> (&'static str, &'static str, Option<u32>) {
        if self.owners < 0 {
            ("owners", "attribute_exists(pk) AND owners > :limit", Some(1))
        } else if self.members > 0 {
            ("members", "attribute_exists(pk) AND members < :limit", Some(MEMBERS_MAX))
        } else if self.tokens > 0 {
            ("tokens", "attribute_exists(pk) AND tokens < :limit", Some(TOKENS_MAX))
        } else {
            ("counts", "attribute_exists(pk)", None)
        }
    }
}

/// A new organization, with what it is founded with.
pub struct Founding {
    /// The organization.
    pub organization: Organization,
    /// Its first owner.
    pub owner: Member,
    /// Its first token.
    pub token: Token,
    /// The token's secret.
    pub secret: TokenSecret,
}

fn organization_pk(id: OrganizationId) -> String {
    format!("ORG#{id}")
}

fn refused(label: &'static str) -> Error {
    match label {
        "slug" => Error::SlugTaken,
        "email" => Error::EmailTaken,
        "owners" => Error::LastOwner,
        "members" => Error::TooManyMembers,
        "tokens" => Error::TooManyTokens,
        "organization" | "member" | "token" => Error::Stale,
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
    pub fn new(table: Table) -> Self {
        Self { table }
    }

    /// What a repeated request was answered the first time, if it was.
    pub async fn replay(&self, idempotency: Option<&Idempotency>) -> Result<Option<Reply>, Error> {
        Ok(self.table.replay(idempotency).await?)
    }

    /// What a secret opens: one consistent read.
    pub async fn access(&self, secret: &TokenSecret) -> Result<Option<Access>, Error> {
        Ok(self.table.get(format!("SECRET#{}", secret.sha256()), "SECRET").await?)
    }

    /// Invariant: the counts never say fewer owners than one, nor more of anything than its limit.
    fn count(
        &self,
        transaction: &mut Transaction<'_>,
        organization: OrganizationId,
        change: Change,
    ) -> Result<(), Error> {
        let (label, condition, limit) = change.condition();
        let number = |value: i64| AttributeValue::N(value.to_string());
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(organization_pk(organization)))
            .key("sk", AttributeValue::S("COUNTS".into()))
            .update_expression("ADD members :members, owners :owners, tokens :tokens")
            .condition_expression(condition)
            .expression_attribute_values(":members", number(change.members.into()))
            .expression_attribute_values(":owners", number(change.owners.into()))
            .expression_attribute_values(":tokens", number(change.tokens.into()))
            .return_values_on_condition_check_failure(ALL_OLD);
        if let Some(limit) = limit {
            update = update.expression_attribute_values(":limit", number(limit.into()));
        }
        let update = update.build().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        transaction.push(label, TransactWriteItem::builder().update(update).build());
        Ok(())
    }

    // ---------------------------------------------------------------- organizations

    /// An organization.
    pub async fn organization(&self, id: OrganizationId) -> Result<Organization, Error> {
        self.table.get(organization_pk(id), "ORG").await?.ok_or(Error::NotFound)
    }

    /// An organization by its slug, for the operator.
    pub async fn organization_of_slug(&self, slug: &Slug) -> Result<Organization, Error> {
        let taken: Taken = self.table.get(format!("SLUG#{slug}"), "SLUG").await?.ok_or(Error::NotFound)?;
        let id = taken.id.parse().map_err(|_| Error::Unexpected("slug"))?;
        self.organization(id).await
    }

    /// The owner who has been there longest.
    pub async fn first_owner(&self, organization: OrganizationId) -> Result<Member, Error> {
        let pk = organization_pk(organization);
        let mut after = None;
        loop {
            let slice: Slice<Member> = self.table.list(&pk, MEMBER, after.as_deref(), 200).await?;
            if let Some(owner) = slice.rows.into_iter().find(|member| member.role == Role::Owner) {
                return Ok(owner);
            }
            after = Some(slice.position.ok_or(Error::Unexpected("owners"))?);
        }
    }

    /// Founds an organization. Invariant: a slug belongs to one organization for ever.
    pub async fn found(
        &self,
        founding: &Founding,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Option<Reply>, Error> {
        let Founding { organization, owner, token, secret } = founding;
        let pk = organization_pk(organization.id);
        let mut transaction = self.table.transaction();
        transaction.create(
            "slug",
            Row::new(format!("SLUG#{}", organization.slug), "SLUG", &Taken { id: organization.id.to_string() })?,
        )?;
        transaction.create("founding", Row::new(&pk, "ORG", organization)?)?;
        transaction.create("founding", Row::new(&pk, "COUNTS", &Counts { members: 1, owners: 1, tokens: 1 })?)?;
        put_member(&mut transaction, &pk, owner)?;
        put_token(&mut transaction, &organization.party(), token, secret)?;
        transaction.emit(&pk, &organization.state(), now)?;
        transaction.emit(&pk, &owner.state(organization.id), now)?;
        transaction.emit(&pk, &token.state(organization.id), now)?;
        transaction.remember(idempotency, reply)?;
        commit(transaction).await
    }

    /// Keeps an organization's new state, unless it was changed since.
    pub async fn change_organization(&self, organization: &Organization, now: Time) -> Result<(), Error> {
        let pk = organization_pk(organization.id);
        let mut transaction = self.table.transaction();
        transaction.replace("organization", Row::new(&pk, "ORG", organization)?, organization.revision - 1)?;
        transaction.emit(&pk, &organization.state(), now)?;
        commit(transaction).await.map(drop)
    }

    // ---------------------------------------------------------------- members

    /// A member.
    pub async fn member(&self, organization: OrganizationId, id: MemberId) -> Result<Member, Error> {
        self.table.get(organization_pk(organization), format!("{MEMBER}{id}")).await?.ok_or(Error::NotFound)
    }

    /// A page of members, the oldest first.
    pub async fn members(&self, organization: OrganizationId, page: &PageRequest) -> Result<Slice<Member>, Error> {
        Ok(self.table.list(&organization_pk(organization), MEMBER, page.after.as_deref(), page.size).await?)
    }

    /// Adds a member. Invariant: an address belongs to one member of an organization.
    pub async fn add_member(
        &self,
        organization: OrganizationId,
        member: &Member,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Option<Reply>, Error> {
        let pk = organization_pk(organization);
        let mut transaction = self.table.transaction();
        put_member(&mut transaction, &pk, member)?;
        self.count(
            &mut transaction,
            organization,
            Change { members: 1, owners: owners_change(None, Some(member.role)), tokens: 0 },
        )?;
        transaction.emit(&pk, &member.state(organization), now)?;
        transaction.remember(idempotency, reply)?;
        commit(transaction).await
    }

    /// Keeps a member's new state, unless it was changed since. Invariant: one owner at least.
    pub async fn change_member(
        &self,
        organization: OrganizationId,
        before: &Member,
        after: &Member,
        now: Time,
    ) -> Result<(), Error> {
        let pk = organization_pk(organization);
        let mut transaction = self.table.transaction();
        transaction.replace("member", Row::new(&pk, format!("{MEMBER}{}", after.id), after)?, before.revision)?;
        let owners = owners_change(Some(before.role), Some(after.role));
        if owners != 0 {
            self.count(&mut transaction, organization, Change { owners, ..Change::default() })?;
        }
        transaction.emit(&pk, &after.state(organization), now)?;
        commit(transaction).await.map(drop)
    }

    /// Removes a member, whatever its state. Invariant: one owner at least.
    pub async fn remove_member(&self, organization: OrganizationId, id: MemberId, now: Time) -> Result<(), Error> {
        let pk = organization_pk(organization);
        for _ in 0..ATTEMPTS_MAX {
            let member = self.member(organization, id).await?;
            let mut transaction = self.table.transaction();
            transaction.delete("member", &pk, format!("{MEMBER}{id}"), Some(member.revision))?;
            transaction.delete("address", &pk, format!("EMAIL#{}", member.email.folded()), None)?;
            self.count(
                &mut transaction,
                organization,
                Change { members: -1, owners: owners_change(Some(member.role), None), tokens: 0 },
            )?;
            transaction.emit_gone::<MemberState>(&pk, id.to_string(), member.revision + 1, now)?;
            match commit(transaction).await {
                Err(Error::Stale) => {}
                other => return other.map(drop),
            }
        }
        Err(Error::Contended)
    }

    // ---------------------------------------------------------------- tokens

    /// A token.
    pub async fn token(&self, organization: OrganizationId, id: TokenId) -> Result<Token, Error> {
        Ok(self.token_row(organization, id).await?.token)
    }

    /// When the caller's own token stops, if it does by itself.
    pub async fn own_end(&self, caller: &Principal) -> Result<Option<Time>, Error> {
        let id = caller.actor.parse().map_err(|_| Error::NotFound)?;
        Ok(self.token(caller.organization.id, id).await?.expires_at)
    }

    async fn token_row(&self, organization: OrganizationId, id: TokenId) -> Result<TokenRow, Error> {
        self.table.get(organization_pk(organization), format!("{TOKEN}{id}")).await?.ok_or(Error::NotFound)
    }

    /// A page of tokens, the oldest first.
    pub async fn tokens(&self, organization: OrganizationId, page: &PageRequest) -> Result<Slice<Token>, Error> {
        Ok(self.table.list(&organization_pk(organization), TOKEN, page.after.as_deref(), page.size).await?)
    }

    /// Adds a token.
    pub async fn add_token(
        &self,
        organization: &Party,
        token: &Token,
        secret: &TokenSecret,
        idempotency: Option<&Idempotency>,
        reply: &Reply,
        now: Time,
    ) -> Result<Option<Reply>, Error> {
        let pk = organization_pk(organization.id);
        let mut transaction = self.table.transaction();
        put_token(&mut transaction, organization, token, secret)?;
        self.count(&mut transaction, organization.id, Change { tokens: 1, ..Change::default() })?;
        transaction.emit(&pk, &token.state(organization.id), now)?;
        transaction.remember(idempotency, reply)?;
        commit(transaction).await
    }

    /// Revokes a token; one that is revoked already stays as it is. Invariant: a revoked token's secret opens nothing.
    pub async fn revoke_token(&self, organization: OrganizationId, id: TokenId, now: Time) -> Result<Token, Error> {
        let pk = organization_pk(organization);
        for _ in 0..ATTEMPTS_MAX {
            let row = self.token_row(organization, id).await?;
            let Some(token) = row.token.revoked(now) else { return Ok(row.token) };
            let mut transaction = self.table.transaction();
            transaction.delete("secret", format!("SECRET#{}", row.secret_sha256), "SECRET", None)?;
            let revision = row.token.revision;
            let row = TokenRow { token, ..row };
            transaction.replace("token", Row::new(&pk, format!("{TOKEN}{id}"), &row)?, revision)?;
            self.count(&mut transaction, organization, Change { tokens: -1, ..Change::default() })?;
            transaction.emit(&pk, &row.token.state(organization), now)?;
            match commit(transaction).await {
                Err(Error::Stale) => {}
                other => return other.map(|_| row.token),
            }
        }
        Err(Error::Contended)
    }
}

fn put_member(transaction: &mut Transaction<'_>, pk: &str, member: &Member) -> Result<(), Error> {
    transaction.create(
        "email",
        Row::new(pk, format!("EMAIL#{}", member.email.folded()), &Taken { id: member.id.to_string() })?,
    )?;
    transaction.create("member", Row::new(pk, format!("{MEMBER}{}", member.id), member)?)?;
    Ok(())
}

fn put_token(
    transaction: &mut Transaction<'_>,
    organization: &Party,
    token: &Token,
    secret: &TokenSecret,
) -> Result<(), Error> {
    let secret_sha256 = secret.sha256();
    transaction.create(
        "secret",
        Row::new(format!("SECRET#{secret_sha256}"), "SECRET", &Access::of(organization.clone(), token))?,
    )?;
    let row = TokenRow { token: token.clone(), secret_sha256 };
    transaction.create("token", Row::new(organization_pk(organization.id), format!("{TOKEN}{}", token.id), &row)?)?;
    Ok(())
}
