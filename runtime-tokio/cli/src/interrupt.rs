//! Ending on request: ctrl-C and, on Unix, SIGTERM.

use crate::failure::{Failure, Signal};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Runs `work` until it is done or somebody asks for the end, which is the failure
/// [`Failure::Interrupted`] and drops `work` where it stands.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match race(signal(), work).await {
        Either::First(signal) => Err(Failure::Interrupted(signal)),
        Either::Second(done) => done,
    }
}

/// What came first.
pub(crate) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Runs both until one is done, and drops the other. Where both are, the first counts.
pub(crate) async fn race<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> Either<A, B> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    std::future::poll_fn(move |context| {
        if let Poll::Ready(done) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(done));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// Waits for a request to end.
async fn signal() -> Signal {
    match race(interrupted(), terminated()).await {
        Either::First(()) => Signal::Interrupt,
        Either::Second(()) => Signal::Terminate,
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Where signals cannot be caught they end the process by themselves.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
