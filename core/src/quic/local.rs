//! What all connections of a node share.

use super::clock::Clock;
use super::connection::{IDLE, RECEIVE_MAX};
use super::keys::{ConnectionIds, ResetKey, TokenKey};
use super::random::Lender;
use super::{MTU_MIN, Setup, tls, wire};
use crate::bucket::Bucket;
use crate::identity::SecretKey;
use crate::limits::Limits;
use crate::seed::{Rng, Seed};
use crate::swarm::Accept;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{
    ClientConfig, ConnectError, ConnectionEvent, ConnectionHandle, ConnectionId, Endpoint,
    EndpointConfig, IdleTimeout, Incoming, MtuDiscoveryConfig, NoneTokenStore, ServerConfig,
    Transmit, TransportConfig, VarInt,
};
use rustls::Error;

/// The largest datagram that we take, in bytes.
const DATAGRAM_MAX: u16 = 65_527;
/// TLS wants a name. It is not sent, and says nothing.
const SERVER_NAME: &str = "p2p";

pub(super) struct Local {
    pub(super) key: SecretKey,
    pub(super) accept: Accept,
    pub(super) clock: Clock,
    pub(super) endpoint: Endpoint,
    pub(super) lender: Lender,
    pub(super) rng: Rng,
    /// Handshakes of strangers that there is time for.
    pub(super) strangers: Bucket,
    /// What quinn-proto writes datagrams to.
    pub(super) buffer: Vec<u8>,
    client: ClientConfig,
    server: ServerConfig,
    probes_mtu: bool,
    #[cfg(feature = "qlog")]
    recorder: Recorder,
}

/// Who is asked where the records of a connection go.
#[cfg(feature = "qlog")]
struct Recorder {
    qlog: Option<super::Qlog>,
    /// The next connection's.
    number: u64,
    /// What connections are configured with, to be done again for one with records.
    mtu: usize,
    limits: Limits,
}

impl Local {
    pub(super) fn new(setup: Setup<'_>, seed: &Seed) -> Result<Self, Error> {
        let clock = Clock::new(setup.epoch, setup.clock);
        let (client, server) = tls::configs(&setup, clock.date(), &[wire::OURS, wire::P2P])?;
        let Setup { key, accept, migrates, probes_mtu, limits, .. } = setup;
        let unfit = |_| Error::General("it has no AES-128-GCM".into());
        let client = QuicClientConfig::try_from(client).map_err(unfit)?;
        let server = QuicServerConfig::try_from(server).map_err(unfit)?;

        let mut client = ClientConfig::new(Arc::new(client));
        client.token_store(Arc::new(NoneTokenStore));
        let mut server = ServerConfig::new(Arc::new(server), Arc::new(TokenKey::new(seed)));
        server.time_source(Arc::new(clock.date())).migration(migrates);
        // Whoever comes is accepted or turned away at once.
        server.max_incoming(1).incoming_buffer_size(0).incoming_buffer_size_total(0);

        let mut config = EndpointConfig::new(Arc::new(ResetKey::new(seed)));
        let ids = seed.child("connection ids");
        config.cid_generator(move || Box::new(ConnectionIds(ids.rng("ids"))));
        let mut rng = seed.rng("draws");
        config.rng_seed(Some(rng.bytes()));
        // 65,527 is the largest there is.
        let _ = config.max_udp_payload_size(DATAGRAM_MAX);
        let endpoint = Endpoint::new(Arc::new(config), None, probes_mtu, None);
        let mut local = Self {
            key,
            accept,
            clock,
            endpoint,
            lender: Lender::new(seed.rng("tls")),
            rng,
            strangers: Bucket::new(limits.signature_checks_per_second),
            buffer: Vec::new(),
            client,
            server,
            probes_mtu,
            #[cfg(feature = "qlog")]
            recorder: Recorder {
                qlog: setup.diagnostics.qlog,
                number: 0,
                mtu: MTU_MIN,
                limits: limits.clone(),
            },
        };
        local.set_mtu(MTU_MIN, limits);
        Ok(local)
    }

    /// Datagrams of so many bytes go through the swarm below. Connections that there are keep what they have.
    pub(super) fn set_mtu(&mut self, mtu: usize, limits: &Limits) {
        #[cfg(feature = "qlog")]
        {
            self.recorder.mtu = mtu;
        }
        let transport = Arc::new(transport(mtu, self.probes_mtu, limits));
        self.client.transport_config(Arc::clone(&transport));
        self.server.transport_config(transport);
        self.endpoint.set_server_config(Some(Arc::new(self.server.clone())));
    }

    /// Begins a connection.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
    ) -> Result<(ConnectionHandle, quinn_proto::Connection), ConnectError> {
        let id: [u8; 16] = self.lender.draw();
        let mut config = self.client.clone();
        #[cfg(feature = "qlog")]
        if let Some(transport) = self.recorded(true) {
            config.transport_config(transport);
        }
        config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&id)));
        let Self { endpoint, lender, clock, .. } = self;
        lender.lend(|| endpoint.connect(clock.tell(now), config, remote, SERVER_NAME))
    }

    /// Lets a stranger begin a connection, or says what it is told instead.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        incoming: Incoming,
    ) -> Result<(ConnectionHandle, quinn_proto::Connection), Option<Transmit>> {
        #[cfg(feature = "qlog")]
        let config = self.recorded(false).map(|transport| {
            let mut config = self.server.clone();
            config.transport_config(transport);
            Arc::new(config)
        });
        #[cfg(not(feature = "qlog"))]
        let config = None;
        let Self { endpoint, lender, clock, buffer, .. } = self;
        let accept = || {
            let accepted = endpoint.accept(incoming, clock.tell(now), buffer, config);
            accepted.map_err(|error| error.response)
        };
        lender.lend(accept)
    }

    /// What a connection that begins is configured with, where its records are wanted.
    #[cfg(feature = "qlog")]
    fn recorded(&mut self, dialled: bool) -> Option<Arc<TransportConfig>> {
        let Recorder { qlog, number, mtu, limits } = &mut self.recorder;
        let begun = super::Begun { number: *number, dialled };
        *number += 1;
        let stream = qlog.as_ref()?.stream(begun, &self.clock)?;
        let mut transport = transport(*mtu, self.probes_mtu, limits);
        transport.qlog_stream(Some(stream));
        Some(Arc::new(transport))
    }

    /// Hands an event to a connection.
    pub(super) fn hand(&mut self, quic: &mut quinn_proto::Connection, event: ConnectionEvent) {
        // Afterwards nothing is drawn by TLS.
        if quic.is_handshaking() {
            self.lender.lend(|| quic.handle_event(event));
        } else {
            quic.handle_event(event);
        }
    }
}

fn transport(mtu: usize, probes_mtu: bool, limits: &Limits) -> TransportConfig {
    let var_int = |value: usize| VarInt::try_from(value as u64).unwrap_or(VarInt::MAX);
    let mtu = u16::try_from(mtu).unwrap_or(DATAGRAM_MAX).min(DATAGRAM_MAX);
    let window = limits.window_per_peer.max(RECEIVE_MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(var_int(limits.streams_per_peer))
        .max_concurrent_bidi_streams(var_int(limits.streams_per_peer))
        // The largest message fits whole, or it would never be read.
        .stream_receive_window(var_int(RECEIVE_MAX))
        .receive_window(var_int(window))
        .send_window(window as u64)
        // One message after the other: the first arrives earlier, and the last no later.
        .send_fairness(false)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .initial_mtu(mtu)
        .mtu_discovery_config(probes_mtu.then(MtuDiscoveryConfig::default))
        .datagram_receive_buffer_size(None);
    if !probes_mtu {
        transport.min_mtu(mtu);
    }
    transport
}
