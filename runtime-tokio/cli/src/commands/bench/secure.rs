//! Two nodes over UDP loopback, telling and asking as fast as they can.

use crate::commands::throughput;
use crate::failure::Failure;
use crate::key;
use crate::node::{self, Node, Plan, Spot};
use std::time::Duration;
use tellask::identity::SecretKey;

/// How long two nodes on one machine may take to shake hands, or to close.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Pair {
    from: Node,
    to: Node,
    addr: Spot,
}

impl Pair {
    pub(super) async fn open() -> Result<Self, Failure> {
        let mut rng = key::rng()?;
        let from = Plan::loopback(&SecretKey::generate(&mut rng)).open().await?;
        let to = Plan::loopback(&SecretKey::generate(&mut rng)).open().await?;
        let addr = node::first_addr(&to)?;
        let proven = tokio::time::timeout(PATIENCE, from.identify(&addr)).await;
        proven
            .map_err(|_| Failure::failed("no handshake on the loopback"))?
            .map_err(Failure::failed)?;
        Ok(Self { from, to, addr })
    }

    /// Secure tells of this size that arrive in a second.
    pub(super) async fn measure(&self, size: usize, time: Duration) -> Result<f64, Failure> {
        throughput::measure(&self.from, (&self.to, &self.addr), size, time).await
    }

    /// Asks of this size that are answered in a second with as many bytes.
    pub(super) async fn measure_asks(&self, size: usize, time: Duration) -> Result<f64, Failure> {
        throughput::measure_asks(&self.from, (&self.to, &self.addr), size, time).await
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        for node in [self.from, self.to] {
            node.close(PATIENCE).await.map_err(|_| Failure::failed("a node did not close"))?;
        }
        Ok(())
    }
}
