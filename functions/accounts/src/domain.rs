//! The rules: who may hold what. No async, no AWS, no HTTP.

use shared::event::{MemberState, OrganizationState, TokenState};
use shared::id::{MemberId, OrganizationId, TokenId};
use shared::principal::{Authentication, Party, Permission, Principal, Role};
use shared::seal::{Secret, base32, random, sha256_hex};
use shared::slug::Slug;
use shared::text::Label;
use shared::time::Time;

use crate::error::Error;

/// Members of an organization at most.
pub const MEMBERS_MAX: u32 = 1_000;
/// Tokens of an organization at most; revoked ones do not count.
pub const TOKENS_MAX: u32 = 1_000;

/// An e-mail address, as HTML's `<input type=email>` takes it (<https://html.spec.whatwg.org/#valid-e-mail-address>), at most
/// 254 characters (RFC 5321).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Email(String);

const EMAIL_CHARS_MAX: usize = 254;
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// Why a text is not an e-mail address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an e-mail address such as `ada@example.com`, at most 254 characters")]
pub struct NotAnEmail;

impl Email {
    /// The same for every spelling: two members with one address are one person.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl std::str::FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let (local, domain) = text.split_once('@').ok_or(NotAnEmail)?;
        let local_is_good = !local.is_empty()
            && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte));
        let label_is_good = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if local_is_good && domain.split('.').all(label_is_good) && text.len() <= EMAIL_CHARS_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnEmail)
        }
    }
}

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shared::text::parsed(deserializer)
    }
}

impl utoipa::PartialSchema for Email {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(EMAIL_PATTERN))
            .max_length(Some(EMAIL_CHARS_MAX))
            .examples([serde_json::json!("ada@example.com")])
            .into()
    }
}

impl utoipa::ToSchema for Email {}

/// An organization: the tenant.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Raised by every change; the `ETag`.
    pub revision: u64,
    /// Its slug: unique on the platform, never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: Label,
    /// When it was founded.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

impl Organization {
    /// A new one.
    #[must_use]
    pub fn new(slug: Slug, name: Label, now: Time) -> Self {
        Self { id: OrganizationId::new(), revision: 1, slug, name, created_at: now, updated_at: now }
    }

    /// By id and slug.
    #[must_use]
    pub fn party(&self) -> Party {
        Party { id: self.id, slug: self.slug.clone() }
    }

    /// With another name.
    #[must_use]
    pub fn renamed(self, name: Label, now: Time) -> Self {
        Self { name, revision: self.revision + 1, updated_at: now, ..self }
    }

    /// What the bus is told.
    #[must_use]
    pub fn state(&self) -> OrganizationState {
        OrganizationState { id: self.id, revision: self.revision, slug: self.slug.clone(), name: self.name.to_string() }
    }
}

/// A person with a role in an organization.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Raised by every change; the `ETag`.
    pub revision: u64,
    /// The person's e-mail address, unique in the organization whatever its case.
    pub email: Email,
    /// The person's name.
    pub name: Label,
    /// The role.
    pub role: Role,
    /// When the person joined.
    pub created_at: Time,
    /// When the membership was last changed.
    pub updated_at: Time,
}

impl Member {
    /// A new one.
    #[must_use]
    pub fn new(email: Email, name: Label, role: Role, now: Time) -> Self {
        Self { id: MemberId::new(), revision: 1, email, name, role, created_at: now, updated_at: now }
    }

    /// With another role or name.
    #[must_use]
    pub fn changed(&self, role: Option<Role>, name: Option<Label>, now: Time) -> Self {
        Self {
            role: role.unwrap_or(self.role),
            name: name.unwrap_or_else(|| self.name.clone()),
            revision: self.revision + 1,
            updated_at: now,
            ..self.clone()
        }
    }

    /// What the bus is told: nothing about the person.
    #[must_use]
    pub fn state(&self, organization: OrganizationId) -> MemberState {
        MemberState { id: self.id, revision: self.revision, organization, role: self.role }
    }
}

/// How many owners more (or fewer) there are when one role takes the place of another.
#[must_use]
pub fn owners_change(before: Option<Role>, after: Option<Role>) -> i32 {
    i32::from(after == Some(Role::Owner)) - i32::from(before == Some(Role::Owner))
}

/// A token of an organization, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Raised by every change.
    pub revision: u64,
    /// Its name for people.
    pub name: Label,
    /// The role that it acts with.
    pub role: Role,
    /// What the role is narrowed to; all of the role's permissions when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Permission>>,
    /// The beginning of its secret, to recognise it by.
    pub prefix: String,
    /// When it was made.
    pub created_at: Time,
    /// When it stops, if it does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

impl Token {
    /// A new one for this secret.
    #[must_use]
    pub fn new(
        secret: &TokenSecret,
        name: Label,
        role: Role,
        scopes: Option<Vec<Permission>>,
        expires_at: Option<Time>,
        now: Time,
    ) -> Self {
        Self {
            id: TokenId::new(),
            revision: 1,
            name,
            role,
            scopes,
            prefix: secret.prefix(),
            created_at: now,
            expires_at,
            revoked_at: None,
        }
    }

    /// Revoked; `None` when it already is.
    #[must_use]
    pub fn revoked(&self, now: Time) -> Option<Self> {
        self.revoked_at.is_none().then(|| Self { revoked_at: Some(now), revision: self.revision + 1, ..self.clone() })
    }

    /// What the bus is told.
    #[must_use]
    pub fn state(&self, organization: OrganizationId) -> TokenState {
        TokenState {
            id: self.id,
            revision: self.revision,
            organization,
            name: self.name.to_string(),
            role: self.role,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        }
    }
}

/// A token's secret. Has no `Debug` and no `Serialize`: it is shown once and never stored.
pub struct TokenSecret(String);

const PREFIX: &str = "dwt_";
const RANDOM_CHARS: usize = 32; // base32 of 20 bytes
const SUM_CHARS: usize = 8; // 40 bits
const SHOWN_CHARS: usize = 10;

fn sum(random: &str) -> String {
    // Keyed with what everybody may know: a checksum against typing errors, not against forgers.
    base32(&Secret::new(PREFIX).sign(random.as_bytes())).chars().take(SUM_CHARS).collect()
}

impl TokenSecret {
    /// Makes a new one.
    #[must_use]
    pub fn mint() -> Self {
        let text = base32(&random::<20>());
        let sum = sum(&text);
        Self(format!("{PREFIX}{text}{sum}"))
    }

    /// Reads one; `None` when it was mistyped or cut, or is something else altogether.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let (random, given) = (rest.get(..RANDOM_CHARS)?, rest.get(RANDOM_CHARS..)?);
        // Nothing to hide from a clock: the checksum is no secret.
        (sum(random) == given).then(|| Self(text.to_owned()))
    }

    /// What is stored of it: SHA-256 in hexadecimal. With 160 random bits the hash tells nothing.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }

    /// Its beginning, to recognise it by.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.0.chars().take(SHOWN_CHARS).collect()
    }

    /// The secret itself, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.clone()
    }
}

/// What a secret opens: found by its hash, gone when the token is revoked.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Access {
    /// The organization that the token acts for.
    pub organization: Party,
    /// The token.
    pub token: TokenId,
    /// Its role.
    pub role: Role,
    /// What the role is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Permission>>,
    /// When it stops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

impl Access {
    /// What a token's secret opens.
    #[must_use]
    pub fn of(organization: Party, token: &Token) -> Self {
        Self {
            organization,
            token: token.id,
            role: token.role,
            scopes: token.scopes.clone(),
            expires_at: token.expires_at,
        }
    }
}

/// Who it is that came with a secret, as the authorizer hands it on.
#[must_use]
pub fn judge(access: Option<Access>, now: Time) -> Authentication {
    match access {
        None => Authentication::Invalid,
        Some(access) if access.expires_at.is_some_and(|at| at <= now) => Authentication::Expired,
        Some(access) => Authentication::Principal(Box::new(Principal {
            organization: access.organization,
            actor: access.token.to_string(),
            role: access.role,
            scopes: access.scopes,
        })),
    }
}

/// Scopes in their one order, each once. A scope that the role does not have would promise what never works.
pub fn scopes(role: Role, mut scopes: Vec<Permission>) -> Result<Vec<Permission>, Error> {
    if !(1..=Permission::ALL.len()).contains(&scopes.len()) {
        return Err(Error::ScopesCount);
    }
    if let Some(at) = scopes.iter().position(|scope| !scope.is_of(role)) {
        return Err(Error::ScopeBeyondRole { at });
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// Nobody gives away more than they have.
pub fn may_grant(caller: &Principal, role: Role, scopes: Option<&[Permission]>) -> Result<(), Error> {
    let given = Permission::ALL
        .iter()
        .filter(|permission| permission.is_of(role) && scopes.is_none_or(|scopes| scopes.contains(permission)));
    match given.copied().find(|permission| !caller.may(*permission)) {
        Some(permission) => Err(Error::BeyondCaller(permission)),
        None => Ok(()),
    }
}

/// A token that has expired before it was made helps nobody, and one that outlives its maker's (`own_end`) would undo that end.
pub fn expiry(expires_at: Option<Time>, own_end: Option<Time>, now: Time) -> Result<Option<Time>, Error> {
    if expires_at.is_some_and(|at| at <= now) {
        return Err(Error::ExpiryPast);
    }
    if own_end.is_some_and(|end| expires_at.is_none_or(|at| at > end)) {
        return Err(Error::ExpiryBeyondOwn);
    }
    Ok(expires_at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roles() -> impl Strategy<Value = Role> {
        proptest::sample::select(Role::ALL)
    }

    fn some_scopes() -> impl Strategy<Value = Option<Vec<Permission>>> {
        proptest::option::of(proptest::collection::vec(proptest::sample::select(Permission::ALL), 1..8))
    }

    fn principal(role: Role, scopes: Option<Vec<Permission>>) -> Principal {
        Principal {
            organization: Party { id: OrganizationId::new(), slug: "acme".parse().unwrap() },
            actor: "token".into(),
            role,
            scopes,
        }
    }

    proptest! {
        #[test]
        fn nobody_gives_away_more_than_they_have(mine in (roles(), some_scopes()), given in (roles(), some_scopes())) {
            let caller = principal(mine.0, mine.1);
            let receiver = principal(given.0, given.1.clone());
            let wider = Permission::ALL.iter().any(|permission| receiver.may(*permission) && !caller.may(*permission));
            prop_assert_eq!(may_grant(&caller, given.0, given.1.as_deref()).is_err(), wider);
        }

        #[test]
        fn scopes_are_kept_once_and_only_where_the_role_has_them(role in roles(), wished in proptest::collection::vec(proptest::sample::select(Permission::ALL), 0..20)) {
            let result = scopes(role, wished.clone());
            let good = (1..=Permission::ALL.len()).contains(&wished.len()) && wished.iter().all(|scope| scope.is_of(role));
            prop_assert_eq!(result.is_ok(), good);
            if let Ok(kept) = result {
                prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(wished.iter().all(|scope| kept.contains(scope)) && kept.iter().all(|scope| wished.contains(scope)));
            }
        }

        #[test]
        fn a_mistyped_secret_is_recognised_without_a_read(at in 0_usize..44, with in "[ -~]") {
            let secret = TokenSecret::mint().reveal();
            prop_assert_eq!(secret.len(), 44);
            let mistyped = format!("{}{with}{}", &secret[..at], &secret[at + 1..]);
            prop_assert_eq!(TokenSecret::parse(&mistyped).is_some(), mistyped == secret);
        }

        #[test]
        fn a_foreign_text_is_no_secret(text in "\\PC{0,60}") {
            prop_assert!(TokenSecret::parse(&text).is_none());
        }

        #[test]
        fn expiry_is_judged_by_value(expires_ms in 1_000_000_000_000_i64..2_000_000_000_000, now_ms in 1_000_000_000_000_i64..2_000_000_000_000) {
            let access = Access {
                organization: Party { id: OrganizationId::new(), slug: "acme".parse().unwrap() },
                token: TokenId::new(), role: Role::Viewer, scopes: None, expires_at: Some(Time::from_ms(expires_ms)),
            };
            let found = judge(Some(access), Time::from_ms(now_ms));
            prop_assert_eq!(found == Authentication::Expired, expires_ms <= now_ms);
        }

        #[test]
        fn the_number_of_owners_follows_the_roles(roles_over_time in proptest::collection::vec(proptest::option::of(roles()), 1..20)) {
            let mut owners = 0;
            let mut before = None;
            for after in roles_over_time {
                owners += owners_change(before, after);
                before = after;
                prop_assert_eq!(owners, i32::from(after == Some(Role::Owner)));
            }
        }
    }

    #[test]
    fn who_is_unknown_or_revoked_is_invalid_and_who_is_known_is_somebody() {
        let now = Time::from_ms(1_700_000_000_000);
        assert_eq!(judge(None, now), Authentication::Invalid);
        let organization = Party { id: OrganizationId::new(), slug: "acme".parse().unwrap() };
        let secret = TokenSecret::mint();
        let token =
            Token::new(&secret, "ci".parse().unwrap(), Role::Developer, Some(vec![Permission::KeysRead]), None, now);
        let Authentication::Principal(principal) = judge(Some(Access::of(organization.clone(), &token)), now) else {
            panic!("nobody")
        };
        assert_eq!(
            (principal.organization, principal.actor, principal.role),
            (organization, token.id.to_string(), Role::Developer)
        );
        assert_eq!(principal.scopes, Some(vec![Permission::KeysRead]));
    }

    #[test]
    fn a_token_is_revoked_once() {
        let now = Time::from_ms(1_700_000_000_000);
        let token = Token::new(&TokenSecret::mint(), "ci".parse().unwrap(), Role::Viewer, None, None, now);
        let revoked = token.revoked(now).unwrap();
        assert_eq!((revoked.revision, revoked.revoked_at), (2, Some(now)));
        assert_eq!(revoked.revoked(now.plus_ms(1)), None);
    }

    #[test]
    fn addresses_are_those_of_html() {
        for good in ["ada@example.com", "a.b+c@x", "A!#$%&'*+/=?^_`{|}~-@a-b.c1", &format!("{}@x", "a".repeat(252))] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "ada",
            "@x",
            "a@",
            "a@-x",
            "a@x-",
            "a@x..y",
            "a@x.",
            "a b@x",
            "ä@x",
            "a@b@c",
            &format!("{}@x", "a".repeat(253)),
            &format!("a@{}", "x".repeat(64)),
        ] {
            assert_eq!(bad.parse::<Email>(), Err(NotAnEmail), "{bad}");
        }
        assert_eq!("Ada@Example.COM".parse::<Email>().unwrap().folded(), "ada@example.com");
    }

    #[test]
    fn a_secret_tells_only_its_beginning() {
        let secret = TokenSecret::mint();
        assert_eq!(secret.prefix(), secret.reveal()[..10]);
        assert_eq!(secret.sha256().len(), 64);
        assert_ne!(secret.reveal(), TokenSecret::mint().reveal());
    }
}
