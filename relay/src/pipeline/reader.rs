//! Reads ahead on the shared runtime, and comes back by itself when the database does.

use std::time::Duration;

use relay_engine::event::Position;
use tokio::sync::mpsc;

use crate::source::{BatchLimit, ReadBatch, Sent, SentEvent, Source, SourceError, Start};

/// Pauses between attempts to reach a database that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the reader tells its lane.
#[derive(Debug)]
pub(super) enum Read {
    /// The database was failed over, and has lost these of the events that the lane remembers.
    TakenBack(Vec<SentEvent>),
    /// It stands at this position now.
    Opened(Position),
    /// The next events.
    Batch(ReadBatch),
    /// The database is away; reading goes on by itself.
    Away(String),
    /// The database took the reader back behind what was read already: the lane starts over.
    Rewound,
    /// An operator has to act.
    Refused(SourceError),
}

/// Reads until the lane is gone or the source refuses. Tells first what became of `sent` in a failover.
pub(super) async fn read(
    mut source: Box<dyn Source>,
    start: Start,
    limit: BatchLimit,
    sent: Vec<Sent>,
    lane: mpsc::Sender<Read>,
) -> Box<dyn Source> {
    let mut at = start;
    let mut first = true;
    let mut pause = FIRST_PAUSE;
    loop {
        let known = if first { sent.as_slice() } else { &[] };
        let error = match open(source.as_mut(), at.clone(), known).await {
            Err(error) => error,
            Ok((position, taken_back)) => {
                let asked = if let Start::After(asked) = &at { Some(asked) } else { None };
                if !first && asked != Some(&position) {
                    let _ = lane.send(Read::Rewound).await;
                    return source;
                }
                if let Some(events) = taken_back
                    && lane.send(Read::TakenBack(events)).await.is_err()
                {
                    return source;
                }
                if lane.send(Read::Opened(position.clone())).await.is_err() {
                    return source;
                }
                first = false;
                pause = FIRST_PAUSE;
                at = Start::After(position);
                match read_batches(source.as_mut(), &mut at, limit, &lane).await {
                    Ok(()) => return source,
                    Err(error) => error,
                }
            }
        };
        if matches!(error, SourceError::Refused { .. }) {
            let _ = lane.send(Read::Refused(error)).await;
            return source;
        }
        if lane.send(Read::Away(error.to_string())).await.is_err() {
            return source;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn open(
    source: &mut dyn Source,
    at: Start,
    sent: &[Sent],
) -> Result<(Position, Option<Vec<SentEvent>>), SourceError> {
    let position = source.open(at).await?;
    let taken_back = if sent.is_empty() { None } else { source.taken_back(sent).await? };
    Ok((position, taken_back))
}

/// Hands over batch after batch; `Ok` when the lane is gone.
async fn read_batches(
    source: &mut dyn Source,
    at: &mut Start,
    limit: BatchLimit,
    lane: &mpsc::Sender<Read>,
) -> Result<(), SourceError> {
    loop {
        let batch = tokio::select! {
            batch = source.next_batch(limit) => batch?,
            () = lane.closed() => return Ok(()),
        };
        *at = Start::After(batch.end.clone());
        if lane.send(Read::Batch(batch)).await.is_err() {
            return Ok(());
        }
    }
}
