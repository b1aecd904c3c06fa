//! Work on the table that is done several at once, and never more than so many.

use std::future::Future;

use tokio::task::JoinSet;

use super::table::StoreError;

/// Runs all of it, at most `limit` at once. The answers come in any order; the first error ends what is still under way.
///
/// # Errors
/// The first that happened.
pub async fn at_once<T, F>(limit: usize, work: impl IntoIterator<Item = F>) -> Result<Vec<T>, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let (mut running, mut answers) = (JoinSet::new(), Vec::new());
    let mut work = work.into_iter();
    loop {
        while running.len() < limit.max(1) {
            let Some(next) = work.next() else { break };
            running.spawn(next);
        }
        match running.join_next().await {
            Some(Ok(answer)) => answers.push(answer?),
            Some(Err(error)) => return Err(StoreError::Unavailable(error.to_string())),
            None => return Ok(answers),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_of_it_is_done_and_never_more_at_once_than_the_limit() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..50).map(|n| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(n)
            }
        });
        let mut answers = at_once(7, work).await.unwrap();
        answers.sort_unstable();
        assert_eq!(answers, (0..50).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 7);
    }

    #[tokio::test]
    async fn an_error_is_told() {
        let work =
            (0..3).map(|n| async move { if n == 1 { Err(StoreError::Unavailable("away".into())) } else { Ok(n) } });
        assert_eq!(at_once(2, work).await.unwrap_err().to_string(), StoreError::Unavailable("away".into()).to_string());
    }
}
