//! Which message is taken when: the state table.
//!
//! | number | message | taken in |
//! |---|---|---|
//! | 1 | `DISCONNECT` | every stage |
//! | 2, 3, 4 | `IGNORE`, `UNIMPLEMENTED`, `DEBUG` | every stage; in a first key exchange that is strict, none |
//! | 5 | `SERVICE_REQUEST` | [`ServerFirst`](Stage::ServerFirst), [`ServiceRequest`](Stage::ServiceRequest) |
//! | 6 | `SERVICE_ACCEPT` | [`ClientFirst`](Stage::ClientFirst), [`ServiceAccept`](Stage::ServiceAccept) |
//! | 7 | `EXT_INFO` | [`ServerFirst`](Stage::ServerFirst), [`ClientFirst`](Stage::ClientFirst), [`AuthResult`](Stage::AuthResult) (RFC 8308 section 2.4) |
//! | 20 | `KEXINIT` | [`KexInit`](Stage::KexInit), [`Open`](Stage::Open) |
//! | 21 | `NEWKEYS` | [`NewKeys`](Stage::NewKeys), [`RekeyNewKeys`](Stage::RekeyNewKeys) |
//! | 30 | `KEX_ECDH_INIT` | [`EcdhInit`](Stage::EcdhInit), [`RekeyInit`](Stage::RekeyInit) |
//! | 31 | `KEX_ECDH_REPLY` | [`EcdhReply`](Stage::EcdhReply), [`RekeyReply`](Stage::RekeyReply) |
//! | 50 | `USERAUTH_REQUEST` | [`AuthRequest`](Stage::AuthRequest) |
//! | 51, 53 | `USERAUTH_FAILURE`, `USERAUTH_BANNER` | [`AuthResult`](Stage::AuthResult) |
//! | 52 | `USERAUTH_SUCCESS` | [`AuthResult`](Stage::AuthResult), [`AuthSuccess`](Stage::AuthSuccess) |
//! | 80, 81, 82 | `GLOBAL_REQUEST`, `REQUEST_SUCCESS`, `REQUEST_FAILURE` | [`Open`](Stage::Open) |
//! | 90 | `CHANNEL_OPEN` | [`Open`](Stage::Open), and refused |
//! | 192, 193 | `PING`, `PONG` | [`Open`](Stage::Open) |
//! | 200–204 | ours | [`Open`](Stage::Open), where both said so |
//!
//! A message with a number that is in the table, or one of 54–79, 91 and 92–100, where it is not taken ends the connection. A
//! number that is nowhere is answered with `UNIMPLEMENTED` in [`Open`](Stage::Open) (RFC 4253 section 11.4), and ends the
//! connection before, and within a key exchange.

use super::wire::number as n;

/// What the peer is expected to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// The first key exchange: its proposal.
    KexInit,
    /// The client's half.
    EcdhInit,
    /// The server's half, with its proof.
    EcdhReply,
    /// That it uses the new keys.
    NewKeys,
    /// What the client says first under keys.
    ServerFirst,
    ServiceRequest,
    AuthRequest,
    /// What the server says first under keys.
    ClientFirst,
    ServiceAccept,
    AuthResult,
    /// The server said something that only comes before success.
    AuthSuccess,
    /// Both have proven their keys.
    Open,
    /// As in the first exchange.
    RekeyInit,
    RekeyReply,
    RekeyNewKeys,
}

impl Stage {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 15] = [
        Self::KexInit,
        Self::EcdhInit,
        Self::EcdhReply,
        Self::NewKeys,
        Self::ServerFirst,
        Self::ServiceRequest,
        Self::AuthRequest,
        Self::ClientFirst,
        Self::ServiceAccept,
        Self::AuthResult,
        Self::AuthSuccess,
        Self::Open,
        Self::RekeyInit,
        Self::RekeyReply,
        Self::RekeyNewKeys,
    ];

    /// Whether it is of the first key exchange.
    pub(super) const fn is_first_exchange(self) -> bool {
        matches!(self, Self::KexInit | Self::EcdhInit | Self::EcdhReply | Self::NewKeys)
    }

    /// Whether both have proven their keys.
    pub(super) const fn is_authenticated(self) -> bool {
        matches!(self, Self::Open | Self::RekeyInit | Self::RekeyReply | Self::RekeyNewKeys)
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is read.
    Take,
    /// It is dropped: it says nothing.
    Skip,
    /// The peer is told that it is not known.
    Unimplemented,
    /// It ends the connection.
    Violation,
}

/// What becomes of the message `number` in this stage. `strict` says that both sides hold key exchanges to
/// their strict form, `extended` that both speak our extension.
pub(super) const fn verdict(stage: Stage, number: u8, strict: bool, extended: bool) -> Verdict {
    let taken = match number {
        n::DISCONNECT => true,
        n::IGNORE | n::UNIMPLEMENTED | n::DEBUG => {
            return if strict && stage.is_first_exchange() {
                Verdict::Violation
            } else {
                Verdict::Skip
            };
        }
        n::SERVICE_REQUEST => matches!(stage, Stage::ServerFirst | Stage::ServiceRequest),
        n::SERVICE_ACCEPT => matches!(stage, Stage::ClientFirst | Stage::ServiceAccept),
        n::EXT_INFO => matches!(stage, Stage::ServerFirst | Stage::ClientFirst | Stage::AuthResult),
        n::KEXINIT => matches!(stage, Stage::KexInit | Stage::Open),
        n::NEWKEYS => matches!(stage, Stage::NewKeys | Stage::RekeyNewKeys),
        n::KEX_ECDH_INIT => matches!(stage, Stage::EcdhInit | Stage::RekeyInit),
        n::KEX_ECDH_REPLY => matches!(stage, Stage::EcdhReply | Stage::RekeyReply),
        n::USERAUTH_REQUEST => matches!(stage, Stage::AuthRequest),
        n::USERAUTH_FAILURE => matches!(stage, Stage::AuthResult),
        n::USERAUTH_SUCCESS => matches!(stage, Stage::AuthResult | Stage::AuthSuccess),
        n::USERAUTH_BANNER => {
            return if matches!(stage, Stage::AuthResult) {
                Verdict::Skip
            } else {
                Verdict::Violation
            };
        }
        n::GLOBAL_REQUEST | n::REQUEST_SUCCESS | n::REQUEST_FAILURE | n::CHANNEL_OPEN => {
            matches!(stage, Stage::Open)
        }
        n::PING | n::PONG => matches!(stage, Stage::Open),
        n::TELL..=n::CANCEL if extended => matches!(stage, Stage::Open),
        n::USERAUTH_BANNER..=n::USERAUTH_LAST
        | n::CHANNEL_OPEN_CONFIRMATION..=n::CHANNEL_FAILURE => false,
        _ => {
            let open = matches!(stage, Stage::Open);
            return if open { Verdict::Unimplemented } else { Verdict::Violation };
        }
    };
    if taken { Verdict::Take } else { Verdict::Violation }
}
