//! Pages of a list: `page_size`, `page_token`, `next_page_token` (<https://google.aip.dev/158>). A token is sealed, so that a
//! caller can neither read nor make one, and it holds only for the list and the organization that it was made for.

use crate::problem::Problem;
use crate::seal::Secret;

/// The most items that a page holds.
pub const SIZE_MAX: u16 = 200;
const SIZE_DEFAULT: u16 = 50;

/// How much of a list is asked for: query parameters of every list.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// At most so many items, 1 to 200; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub page_size: Option<u16>,
    /// The `next_page_token` of the page before.
    #[serde(default)]
    #[param(max_length = 512, pattern = "^[A-Za-z0-9_-]*$")]
    pub page_token: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to send as `page_token` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// Where a page begins and how long it may be, opened from the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items, 1 to [`SIZE_MAX`].
    pub size: u16,
    /// The position after which the page begins: what the list said when it ended the page before.
    pub after: Option<String>,
}

/// Seals and opens page tokens.
#[derive(Clone)]
pub struct Pages(Secret);

impl Pages {
    /// With the deployment's secret for page tokens.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        Self(secret.for_purpose("page"))
    }

    /// Opens a query. `list` names the list and its owner, such as `apis/org_…`; a token of another list is refused.
    pub fn open(&self, list: &str, query: &PageQuery) -> Result<PageRequest, Problem> {
        let size = match query.page_size {
            None => SIZE_DEFAULT,
            Some(size @ 1..=SIZE_MAX) => size,
            Some(_) => return Err(Problem::parameter("page_size", "must be between 1 and 200")),
        };
        let after = match query.page_token.as_deref() {
            None | Some("") => None,
            Some(token) => Some(
                self.0.open(list, token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                    Problem::parameter(
                        "page_token",
                        "is not a token of this list: send the `next_page_token` of its page before, unchanged",
                    )
                })?,
            ),
        };
        Ok(PageRequest { size, after })
    }

    /// Makes a page. `position` is where the next one begins, if there is more.
    pub fn page<T>(&self, list: &str, items: Vec<T>, position: Option<String>) -> Result<Page<T>, Problem> {
        let next_page_token =
            position.map(|position| self.0.seal(list, position.as_bytes())).transpose().map_err(Problem::internal)?;
        Ok(Page { items, next_page_token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_own_list_only() {
        let pages = Pages::new(&Secret::new("x"));
        let page = pages.page("apis/a", vec![1], Some("here".into())).unwrap();
        let query = PageQuery { page_size: Some(7), page_token: page.next_page_token };
        assert_eq!(pages.open("apis/a", &query).unwrap(), PageRequest { size: 7, after: Some("here".into()) });
        assert!(pages.open("apis/b", &query).is_err());
        assert!(pages.open("apis/a", &PageQuery { page_size: Some(0), page_token: None }).is_err());
        assert!(pages.open("apis/a", &PageQuery { page_size: Some(201), page_token: None }).is_err());
    }
}
