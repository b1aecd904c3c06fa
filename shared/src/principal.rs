//! Who is calling the control plane, and what they may do.

use crate::id::OrganizationId;
use crate::slug::Slug;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal: $($role:ident)*;)*) => {
        /// What a route needs.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it stands in scopes and API documents.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Whether a role has it. An owner has all of them.
            #[must_use]
            pub fn is_of(self, role: Role) -> bool {
                role == Role::Owner || match self { $(Self::$name => [$(Role::$role),*].contains(&role)),* }
            }
        }

        /// A type for every permission, so that a handler's signature names what it needs.
        pub mod needs {
            $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
            impl super::Needs for $name { const PERMISSION: super::Permission = super::Permission::$name; })*
        }
    };
}

/// A permission as a type.
pub trait Needs: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

permissions! {
    /// See the organization, its members and its tokens (never their secrets).
    AccountsRead = "accounts:read": Publisher Developer Billing Viewer;
    /// Change members and tokens.
    AccountsWrite = "accounts:write": ;
    /// Found another organization.
    OrganizationsCreate = "organizations:create": ;
    /// See services, APIs and versions.
    CatalogRead = "catalog:read": Publisher Developer Billing Viewer;
    /// Change services, APIs and versions.
    CatalogWrite = "catalog:write": Publisher;
    /// See products and plans.
    ProductsRead = "products:read": Publisher Developer Billing Viewer;
    /// Change products and plans.
    ProductsWrite = "products:write": Publisher;
    /// See apps and subscriptions, of either side.
    SubscriptionsRead = "subscriptions:read": Publisher Developer Billing Viewer;
    /// Make apps, subscribe, change the plan, cancel: the consumer's side.
    SubscriptionsWrite = "subscriptions:write": Developer;
    /// Approve, decline, suspend and resume: the provider's side.
    SubscriptionsApprove = "subscriptions:approve": Publisher;
    /// See keys (never their secrets).
    KeysRead = "keys:read": Developer Viewer;
    /// Issue, rotate and revoke keys.
    KeysWrite = "keys:write": Developer;
    /// See usage, of either side.
    UsageRead = "usage:read": Publisher Developer Billing Viewer;
    /// See checks, policies, approvals and notices.
    ContractsRead = "contracts:read": Publisher Developer Billing Viewer;
    /// Have documents checked, set policies, approve findings.
    ContractsWrite = "contracts:write": Publisher;
    /// See what is owed, of either side.
    BillingRead = "billing:read": Billing;
}

/// A role in an organization.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything.
    Owner,
    /// Offers APIs: catalog, products, approval of subscriptions.
    Publisher,
    /// Calls APIs: apps, subscriptions, keys.
    Developer,
    /// Sees what is owed.
    Billing,
    /// Sees, changes nothing.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[Self::Owner, Self::Publisher, Self::Developer, Self::Billing, Self::Viewer];
}

/// An organization, by id and by slug. The slug never changes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Party {
    /// Its id.
    pub id: OrganizationId,
    /// Its slug.
    pub slug: Slug,
}

/// Who is calling, as the authorizer found.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Principal {
    /// The organization that the caller acts for.
    pub organization: Party,
    /// The token's or the member's id.
    pub actor: String,
    /// The role that was given.
    pub role: Role,
    /// What the role was narrowed to; all of the role's permissions when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Permission>>,
}

impl Principal {
    /// Whether the caller has a permission: its role has it, and its scopes do not leave it out.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        permission.is_of(self.role) && self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission))
    }
}

/// What the authorizer hands on with every call of the control plane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// No credentials came.
    Anonymous,
    /// Credentials that are unknown, malformed or revoked.
    Invalid,
    /// Credentials whose time has passed.
    Expired,
    /// Somebody.
    Principal(Box<Principal>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_narrow_a_role_and_never_widen_it() {
        let mut principal = Principal {
            organization: Party { id: OrganizationId::new(), slug: "acme".parse().unwrap() },
            actor: "token".into(),
            role: Role::Developer,
            scopes: None,
        };
        assert!(principal.may(Permission::KeysWrite));
        assert!(!principal.may(Permission::CatalogWrite));
        principal.scopes = Some(vec![Permission::KeysRead, Permission::CatalogWrite]);
        assert!(principal.may(Permission::KeysRead));
        assert!(!principal.may(Permission::KeysWrite));
        assert!(!principal.may(Permission::CatalogWrite));
    }

    #[test]
    fn an_owner_has_everything_and_a_viewer_writes_nothing() {
        for permission in Permission::ALL {
            assert!(permission.is_of(Role::Owner));
            assert!(!permission.is_of(Role::Viewer) || permission.as_str().ends_with(":read"));
        }
    }
}
