//! `relay demo`: committed rows leave through plugins while you watch, with everything it needs built in.
//!
//! An SQLite outbox, a writer that commits orders and rolls some back, the real relay as a process of its own,
//! the `redact` and `router` plugins built from source, and an HTTP receiver. Half-way a new build of a plugin
//! is swapped in, or with `--kill` the relay is killed; at the end the demo proves what was delivered.

mod outbox;
mod process;
mod proof;
mod receiver;
mod screen;
mod setup;
mod stamp;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::AppError;
use outbox::Writer;
use process::RelayProcess;
use receiver::Receiver;
use setup::Setup;

/// What `relay demo` is asked for.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Kill the relay process in the middle and start it again.
    pub kill: bool,
    /// How many events the writer commits.
    pub events: u32,
    /// The folder that holds the sources of the plugins `redact` and `router`.
    pub plugins: PathBuf,
}

/// How long the last events may take after the last commit; a relay that takes longer is broken.
const DELIVERY_TIME: Duration = Duration::from_secs(30);

/// Shows the relay at work.
///
/// # Errors
/// When a part can't start, or when what was delivered is not what was committed.
pub async fn demo(options: DemoOptions) -> Result<(), AppError> {
    let receiver = Receiver::start().await?;
    let setup = Setup::prepare(&options.plugins, receiver.port()).await?;
    outbox::create(&setup.database).await?;
    screen::parts(&setup, receiver.port());

    let mut relay = RelayProcess::start(&setup).await?;
    let writer = Writer::open(&setup.database).await?;
    let watcher = screen::Watcher::start(&writer, &receiver);

    let half = options.events / 2;
    writer.commit(half).await?;
    receiver.wait_for(half as usize / 2, DELIVERY_TIME).await?;
    let rest = writer.commit(options.events - half);
    if options.kill {
        let middle = async {
            let delivered = receiver.distinct();
            relay.kill_and_start_again(&setup).await?;
            screen::killed(delivered);
            Ok(())
        };
        tokio::try_join!(rest, middle)?;
    } else {
        let swap = async {
            let began = Instant::now();
            let (old, new) = relay.swap(&setup).await?;
            screen::swapped(&old, &new, began.elapsed());
            Ok(())
        };
        tokio::try_join!(rest, swap)?;
    }
    receiver.wait_for(options.events as usize, DELIVERY_TIME).await?;
    // Nothing more may come: what an empty outbox still brings would be invented.
    relay.stop().await?;
    watcher.finish();
    let proof = proof::check(&writer, &receiver, options.kill)?;
    screen::proof(&proof);
    Ok(())
}
