//! How fast one node tells another, and asks it.

use crate::failure::Failure;
use crate::node::{Node, Spot};
use std::time::{Duration, Instant};
use tellask::Bytes;
use tellask::swarm::{AskError, Refusal, TellError};
use tokio::task::JoinSet;

/// After how long without a message none is under way any more.
const QUIET: Duration = Duration::from_millis(50);
/// Messages that are taken at once.
const BATCH: usize = 256;

/// Asks in flight at a time.
pub(super) const IN_FLIGHT: usize = 64;
/// How long an ask may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells of this size that arrive in a second, measured for so long. `addr` is that of `to`.
pub(super) async fn measure(
    from: &Node,
    (to, addr): (&Node, &Spot),
    size: usize,
    time: Duration,
) -> Result<f64, Failure> {
    let begun = Instant::now();
    let end = begun + time;
    // On a task of its own, so that it may run beside the receiver.
    let teller = tokio::spawn({
        let (from, addr) = (from.clone(), addr.clone());
        async move {
            let payload = Bytes::from(vec![0; size]);
            while Instant::now() < end {
                from.tell(&addr, payload.clone()).await?;
            }
            Ok::<_, TellError>(())
        }
    });
    let mut count = 0;
    let receive = async {
        let mut messages = Vec::new();
        while to.receive_many(&mut messages, BATCH).await > 0 {
            count += messages.drain(..).filter(|message| message.payload.len() == size).count();
        }
    };
    let ended = tokio::time::timeout_at(end.into(), receive).await.is_ok();
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    teller.await.map_err(Failure::failed)?.map_err(Failure::failed)?;
    // What is still under way belongs to nothing that comes after.
    while let Ok(Some(_)) = tokio::time::timeout(QUIET, to.receive()).await {}
    if ended || count == 0 {
        return Err(Failure::failed("nothing arrived"));
    }
    Ok(rate)
}

/// Asks of this size that are answered in a second with as many bytes, measured for so long with
/// [`IN_FLIGHT`] at a time. `addr` is that of `to`.
pub(super) async fn measure_asks(
    from: &Node,
    (to, addr): (&Node, &Spot),
    size: usize,
    time: Duration,
) -> Result<f64, Failure> {
    // Gone with the end of this function, however that comes.
    let mut serving = JoinSet::new();
    let to = to.clone();
    serving.spawn(async move {
        to.serve(|question| async move { Ok::<_, Refusal>(question.payload) }).await;
    });
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (from, addr) = (from.clone(), addr.clone());
        asking.spawn(async move {
            let payload = Bytes::from(vec![0; size]);
            let mut count = 0_u64;
            while begun.elapsed() < time {
                from.ask(&addr, payload.clone()).within(PATIENCE).await?;
                count += 1;
            }
            Ok::<_, AskError>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = asking.join_next().await {
        count += done.map_err(Failure::failed)?.map_err(Failure::failed)?;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}
