//! What a swarm promises.

use core::time::Duration;

/// What a swarm promises: it selects the cases, and what they expect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promises {
    /// The least that the MTU is, in bytes.
    pub mtu: usize,
    /// It carries requests of up to so many bytes at the least; `None` where it refuses them.
    pub ask_max: Option<usize>,
    /// Peers prove their keys, and nothing is sent in clear.
    pub secure: bool,
    /// How often a message may arrive.
    pub duplicates: Duplicates,
    /// Messages may be lost although the network is at rest. Else all arrive, however many.
    pub loses: bool,
    /// What becomes of a message to oneself.
    pub oneself: Oneself,
    /// Within this time whoever tells something to nobody is told so; `None` where nobody is.
    pub reports_nobody: Option<Duration>,
    /// [`Setting::Accept`](tellask::swarm::Setting::Accept) says whom it hears.
    pub accepts: bool,
    /// Texts that are no addresses of it; none, where every text is one.
    pub wrong_addrs: Vec<String>,
    /// How long the suite waits for what has to come. Generous: it is waited for in vain only where
    /// something is wrong, or lost.
    pub patience: Duration,
    /// How long the suite listens for what must not come.
    pub quiet: Duration,
}

/// How often a message may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Once at the most, whatever the network does.
    Never,
    /// As often as the network delivers it.
    OfTheNetwork,
}

/// What becomes of a message to oneself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oneself {
    /// It arrives.
    Delivered,
    /// It does not.
    Refused,
    /// Either.
    Unspecified,
}

impl Promises {
    /// Those of a bare datagram transport on a network that loses nothing by itself.
    #[must_use]
    pub fn datagrams(mtu: usize) -> Self {
        Self {
            mtu,
            ask_max: None,
            secure: false,
            duplicates: Duplicates::OfTheNetwork,
            loses: false,
            oneself: Oneself::Unspecified,
            reports_nobody: None,
            accepts: false,
            wrong_addrs: vec![String::new(), "\0".into(), "://@:\0".into()],
            patience: Duration::from_secs(60),
            quiet: Duration::from_secs(1),
        }
    }

    /// The same with asks of up to `max` bytes.
    #[must_use]
    pub const fn asking(mut self, max: usize) -> Self {
        self.ask_max = Some(max);
        self
    }

    /// The same of a secure swarm: no duplicates, nothing to oneself, nobody at an address is reported in
    /// 30 seconds, and a policy.
    #[must_use]
    pub const fn secured(mut self) -> Self {
        self.secure = true;
        self.duplicates = Duplicates::Never;
        self.oneself = Oneself::Refused;
        self.reports_nobody = Some(Duration::from_secs(30));
        self.accepts = true;
        self
    }
}
