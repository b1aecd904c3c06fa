//! Timings of operations, for `usage` to read from the stream.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::chassis::table::{Row, StoreError};
use shared::meter::{TIMED, Timed};
use shared::time::Time;

use super::{ASIDE_S, Store};
use crate::timings::Part;

impl Store {
    /// Keeps how the calls of operations went in this sandbox in an hour, for as long as refused calls.
    pub async fn put_timings(
        &self,
        part: &Part,
        hour: i64,
        writer: &str,
        operations: &BTreeMap<String, Timed>,
        now: Time,
    ) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Timings<'a> {
            o: &'a BTreeMap<String, Timed>,
        }
        let pk = format!("{TIMED}{}#{}", part.organization, part.api);
        let sk = format!("{TIMED}{hour}#{part}#{writer}");
        self.put(Row::new(pk, sk, &Timings { o: operations })?.ttl(now.seconds() + ASIDE_S)).await
    }
}
