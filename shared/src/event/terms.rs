//! Terms: what a plan's version says, and a subscription carries.

use std::collections::BTreeMap;

use super::ApiName;
use crate::id::PlanId;
use crate::money::{Currency, Decimal};
use crate::slug::Slug;

/// What a plan version says: the price and the limits. A subscription carries the terms that it was made under.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Terms {
    /// The plan.
    pub plan: PlanId,
    /// The plan's slug.
    pub plan_slug: Slug,
    /// The plan's version, counted from 1.
    pub plan_version: u32,
    /// The APIs that a key of the subscription may call.
    pub apis: Vec<ApiName>,
    /// The currency of the prices.
    pub currency: Currency,
    /// The price of a month.
    pub monthly_price: Decimal,
    /// Units included in the month's price.
    pub included_calls: u64,
    /// The price of every further unit.
    pub price_per_call: Decimal,
    /// How many units a window allows; unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// How fast calls may come; unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Units of a call by operation id; 1 when absent.
    #[serde(default)]
    pub weights: BTreeMap<String, u32>,
    /// Whether a subscription waits for the provider.
    pub approval: Approval,
    /// How the door admits; `exact` when absent.
    #[serde(default, skip_serializing_if = "Admission::is_exact")]
    pub admission: Admission,
}

/// How many units a window allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Units in a window. A call counts as many as its operation's weight, 1 when it has none.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_u64)]
    pub calls: u64,
    /// The window; it begins on a UTC month or day.
    pub period: Period,
    /// Whether calls beyond are refused (`hard`) or charged (`soft`).
    #[serde(default)]
    pub kind: QuotaKind,
}

/// A quota's window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar month in UTC.
    Month,
    /// A day in UTC.
    Day,
}

/// What happens at the end of a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuotaKind {
    /// Calls beyond it are refused.
    #[default]
    Hard,
    /// Calls beyond it are admitted and charged.
    Soft,
}

/// How fast calls may come: GCRA with this sustained rate and burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many units …
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub calls: u32,
    /// … in so many seconds, sustained.
    #[schema(minimum = 1, maximum = 86_400)]
    pub per_seconds: u32,
    /// How many units may come at once; as many as `calls` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: Option<u32>,
}

/// Whether a subscription waits for the provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// It is active at once.
    #[default]
    Automatic,
    /// The provider approves or declines.
    Manual,
}

/// How the door admits the calls of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Every call by a write of its own, and every change holds at once: up to about 1,000 calls a second, or some 30 at a
    /// time.
    #[default]
    Exact,
    /// For plans beyond that. Where calls come quickly, the door takes units in blocks of at most 256, each for at most two
    /// seconds. What that gives up: a revocation, a suspension, a cancellation or a lowered limit holds within two seconds
    /// instead of at once; the rate may be passed by the blocks that are out; usage shows a call when its block is settled.
    /// A hard quota stays hard, and what a crash leaves of a block counts against the quota and is not billed.
    Leased,
}

impl Admission {
    /// Whether it is `exact`.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}
