//! The file of the event plane: places of readers, queued messages, archives.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::data_error::DataError;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS positions (reader TEXT PRIMARY KEY, place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, message TEXT NOT NULL, body TEXT NOT NULL,
  sent_ms INTEGER NOT NULL, first_ms INTEGER, received INTEGER NOT NULL DEFAULT 0, visible_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS messages_visible ON messages(queue, visible_ms);
CREATE TABLE IF NOT EXISTS archive (id INTEGER PRIMARY KEY AUTOINCREMENT, archive TEXT NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS archive_age ON archive(archive, at_ms);
";

/// The file. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Store(Arc<Mutex<Connection>>);

impl Store {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Survives a killed process; a power cut may cost the last moments, which a developer's machine can bear.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Changes that are applied together.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, DataError>,
    ) -> Result<T, DataError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let result = change(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Reads.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, DataError>) -> Result<T, DataError> {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a reader stands, if it has ever read.
    pub(crate) fn position(&self, reader: &str) -> Result<Option<i64>, DataError> {
        self.read(|connection| {
            let sql = "SELECT place FROM positions WHERE reader = ?1";
            Ok(connection.query_row(sql, params![reader], |row| row.get(0)).optional()?)
        })
    }
}

/// Remembers where a reader stands.
pub(crate) fn set_position(transaction: &Transaction<'_>, reader: &str, place: i64) -> Result<(), DataError> {
    let sql = "INSERT INTO positions (reader, place) VALUES (?1, ?2) ON CONFLICT (reader) DO UPDATE SET place = excluded.place";
    transaction.prepare_cached(sql)?.execute(params![reader, place])?;
    Ok(())
}
