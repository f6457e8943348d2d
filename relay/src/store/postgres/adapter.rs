//! The port over Postgres.

use std::time::Duration;

use futures_util::future::BoxFuture;
use relay_engine::event::KeyId;

use super::session::Session;
use super::{lane, letters, requests, schema, settle};
use crate::store::{
    Acquired, Applied, Claim, DeadAction, DeadFilter, DeadLetter, DueLimit, Extent, HeldRecord, KeyQueue,
    LaneId, LaneSummary, Lease, Outcome, ParkedEvent, Requested, Settlement, Store, StoreError,
};

/// A store in one schema of a Postgres database.
///
/// What is due is decided by the database's clock. A call that is dropped before its end may have taken effect,
/// like one that failed with [`StoreError::Unavailable`]: acquire the lane before going on. May be called from
/// any tokio runtime; its connections belong to the one that called [`PostgresStore::connect`], which has to
/// outlive it.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    session: Session,
    schema: String,
}

impl PostgresStore {
    /// Connects to the database at `url`, for tables in `schema`; [`super::DEFAULT_SCHEMA`] is usual.
    ///
    /// # Errors
    /// [`StoreError::Refused`] T504 when the URL is wrong or the database does not let us in,
    /// [`StoreError::Unavailable`] T505 when it does not answer within ten seconds.
    pub async fn connect(url: &str, schema: &str) -> Result<Self, StoreError> {
        Ok(Self { session: Session::connect(url, schema).await?, schema: schema.to_owned() })
    }

    /// The script that the owner of the database runs where the relay's role may not create tables. May be run
    /// again.
    #[must_use]
    pub fn owner_script(schema: &str) -> String {
        schema::owner_script(schema)
    }

    /// The least grants that let `role` keep progress in `schema`.
    #[must_use]
    pub fn grant_script(schema: &str, role: &str) -> String {
        schema::grant_script(schema, role)
    }
}

impl Store for PostgresStore {
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.session.at_home(schema::prepare(&self.session, &self.schema)))
    }

    fn acquire<'a>(
        &'a self,
        lane: &'a LaneId,
        claim: &'a Claim,
    ) -> BoxFuture<'a, Result<Acquired, StoreError>> {
        Box::pin(self.session.at_home(lane::acquire(&self.session, lane, claim)))
    }

    fn renew<'a>(
        &'a self,
        lane: &'a LaneId,
        term: i64,
        length: Duration,
        state: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.session.at_home(lane::renew(&self.session, lane, term, length, state)))
    }

    fn settle<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
        settlement: &'a Settlement,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.session.at_home(settle::settle(&self.session, lane, lease, settlement)))
    }

    fn attend<'a>(
        &'a self,
        lane: &'a LaneId,
        process: &'a str,
        length: Duration,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.session.at_home(lane::attend(&self.session, lane, process, length)))
    }

    fn due<'a>(
        &'a self,
        lane: &'a LaneId,
        limit: DueLimit,
    ) -> BoxFuture<'a, Result<Vec<ParkedEvent>, StoreError>> {
        Box::pin(self.session.at_home(letters::due(&self.session, lane, limit)))
    }

    fn next_due<'a>(&'a self, lane: &'a LaneId) -> BoxFuture<'a, Result<Option<Duration>, StoreError>> {
        Box::pin(self.session.at_home(letters::next_due(&self.session, lane)))
    }

    fn apply_requests<'a>(
        &'a self,
        lane: &'a LaneId,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Applied, StoreError>> {
        Box::pin(self.session.at_home(requests::apply_requests(&self.session, lane, lease)))
    }

    fn lanes(&self) -> BoxFuture<'_, Result<Vec<LaneSummary>, StoreError>> {
        Box::pin(self.session.at_home(lane::lanes(&self.session)))
    }

    fn dead<'a>(
        &'a self,
        filter: &'a DeadFilter,
        limit: usize,
        offset: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(self.session.at_home(letters::dead(&self.session, filter, limit, offset)))
    }

    fn held<'a>(&'a self, event_id: &'a str) -> BoxFuture<'a, Result<Vec<HeldRecord>, StoreError>> {
        Box::pin(self.session.at_home(letters::held(&self.session, event_id)))
    }

    fn queues(&self, key: KeyId) -> BoxFuture<'_, Result<Vec<KeyQueue>, StoreError>> {
        Box::pin(self.session.at_home(letters::queues(&self.session, key)))
    }

    fn request<'a>(
        &'a self,
        filter: &'a DeadFilter,
        action: &'a DeadAction,
    ) -> BoxFuture<'a, Result<Requested, StoreError>> {
        Box::pin(self.session.at_home(requests::request(&self.session, filter, action)))
    }

    fn extent<'a>(&'a self, filter: &'a DeadFilter) -> BoxFuture<'a, Result<Extent, StoreError>> {
        Box::pin(self.session.at_home(requests::extent(&self.session, filter)))
    }

    fn outcome<'a>(&'a self, requests: &'a [i64]) -> BoxFuture<'a, Result<Outcome, StoreError>> {
        Box::pin(self.session.at_home(requests::outcome(&self.session, requests)))
    }
}
