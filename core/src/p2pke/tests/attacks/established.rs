//! What is done to handshakes that are nearly over, and to sessions.

use super::*;

// 9

#[test]
fn an_answer_that_decrypts_but_is_wrong_leaves_the_handshake_to_the_true_one() {
    let (mut a, mut b, liar) = (Node::new(1), Node::new(2), Node::new(3));
    let mut rng = Seed::from_u64(1).rng("forger");
    let hello = one(a.open(START));
    let mut answer = |key: &PublicKey, signed_by: &SecretKey, purpose: Purpose| {
        let (noise, _) = Responder::read(&[], &hello[4..]).unwrap();
        let sig = purpose.sign(signed_by, noise.hash());
        let (mut payload, mut message) = (Vec::new(), vec![0, 0, 0, 1]);
        proto::RespHello { key: &key.to_spki(), sig: &sig }.encode(&mut payload);
        noise.answer(rng.bytes(), &payload, &mut message).unwrap();
        message
    };
    let bound = Purpose::ChannelBinding;
    let stolen = answer(&b.public(), &liar.key, bound);
    let misused = answer(&b.public(), &b.key, Purpose::Timestamp);
    let unwanted = answer(&liar.public(), &liar.key, bound);
    let mirrored = answer(&a.public(), &liar.key, bound);
    assert_eq!(a.refuse(START, &stolen), Reason::Signature);
    assert_eq!(a.refuse(START, &misused), Reason::Signature);
    a.gate.refuses.push(liar.public());
    assert_eq!(a.refuse(START, &unwanted), Reason::Refused);
    assert_eq!(a.refuse(START, &mirrored), Reason::Oneself);
    let answer = one(b.deliver(START, &hello));
    assert_eq!(a.deliver(START, &answer).len(), 1, "the true one completes it");
}

#[test]
fn an_init_done_that_decrypts_but_is_wrong_leaves_the_candidate_to_the_true_one() {
    let (mut a, mut b, liar) = (Node::new(1), Node::new(2), Node::new(3));
    // The liar sends a's key, time stamp and signature under an ephemeral of its own.
    let recorded = one(a.open(START));
    let mut rng = Seed::from_u64(1).rng("forger");
    let (key, sig) = (a.public().to_spki(), sig_of(&recorded));
    let mut payload = Vec::new();
    InitHello { timestamp: &stamp(0).to_bytes(), key: &key, sig: &sig }.encode(&mut payload);
    let len = (payload.len() as u16).to_be_bytes();
    payload.extend_from_slice(&len);
    let mut hello = vec![0, 0, 0, 0];
    let noise = Initiator::start(&[], rng.bytes(), &payload, &mut hello);
    let answer = one(b.deliver(START, &hello));
    let split = noise.read(&answer[4..], &mut Vec::new()).unwrap();
    let mut payload = Vec::new();
    let sig = Purpose::ChannelBinding.sign(&liar.key, &split.hash);
    proto::InitDone { sig: &sig }.encode(&mut payload);
    let cipher = crate::crypto::AeadKey::new(&split.initiator);
    let tag = cipher.seal(2, &[0, 0, 0, 2], &mut payload);
    let done = [&[0, 0, 0, 2][..], &payload, &tag].concat();
    assert_eq!(b.refuse(START, &done), Reason::Signature);
    assert!(b.gate.floors.is_empty());

    let answer = one(b.deliver(START, &recorded));
    let done = one(a.deliver(START, &answer));
    b.gate.refuses.push(a.public());
    assert_eq!(b.refuse(START, &done), Reason::Refused, "refused since it said hello");
    b.gate.refuses.clear();
    assert_eq!(b.deliver(START, &done).len(), 1);
}

#[test]
fn forged_replayed_and_ancient_data_are_dropped_without_effect() {
    let (mut a, mut b, now) = established();
    let messages: Vec<Bytes> = (0..3000).map(|_| a.seal(now, b"x").unwrap()).collect();
    let mut forged = messages[2999].to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(b.refuse(now, &forged), Reason::Undecryptable);
    b.receive(now, &messages[2999]);
    assert_eq!(b.refuse(now, &messages[2999]), Reason::Replayed);
    b.receive(now, &messages[2999 - 1024]);
    assert_eq!(b.refuse(now, &messages[2999 - 1024]), Reason::Replayed);
    assert_eq!(b.refuse(now, &messages[0]), Reason::Replayed, "older than the window");
    for counter in [4, 15, u32::MAX - 1, u32::MAX] {
        let mut reserved = messages[5].to_vec();
        reserved[..4].copy_from_slice(&counter.to_be_bytes());
        assert_eq!(b.refuse(now, &reserved), Reason::Reserved);
    }
}

#[test]
fn a_message_is_intact_for_the_second_session_that_is_tried() {
    let (mut a, mut b, now) = established();
    let old = a.seal(now, b"under the old session").unwrap();
    let old_back = b.seal(now, b"back").unwrap();
    a.with(|channel, cx| channel.begin(cx, now));
    let hello = one(a.drain());
    let answer = one(b.deliver(now, &hello));
    let done = one(a.deliver(now, &answer));
    let resp_done = one(b.deliver(now, &done));
    a.deliver(now, &resp_done);
    let new = a.seal(now, b"under the new session").unwrap();
    assert_eq!(&b.receive(now, &new)[..], b"under the new session");
    assert_eq!(&b.receive(now, &old)[..], b"under the old session");
    assert_eq!(&a.receive(now, &old_back)[..], b"back");
}

// 10

#[test]
fn a_channel_that_only_sends_opens_a_new_session_beside_and_keeps_the_old() {
    let (mut a, mut b, start) = established();
    let mut now = start;
    for _ in 0..60 {
        now = now + secs(1);
        let message = a.seal(now, b"one way").unwrap();
        b.receive(now, &message);
        // The handshake beside, on a network that loses nothing.
        let mut from_a = a.drain();
        from_a.extend(a.run(now).into_iter().map(|(_, datagram)| datagram));
        assert!(b.run(now).is_empty());
        while !from_a.is_empty() {
            let from_b: Vec<_> = from_a.drain(..).flat_map(|d| b.deliver(now, &d)).collect();
            from_a = from_b.into_iter().flat_map(|d| a.deliver(now, &d)).collect();
        }
    }
    assert!(a.events().is_empty() && b.events().is_empty(), "neither up nor down");
    assert_ne!(a.seal(now, b"x").unwrap()[..4], (16_u32 + 61).to_be_bytes());
}

#[test]
fn a_peer_is_down_only_when_the_handshake_beside_has_failed() {
    let (mut a, _, start) = established();
    let sent = start + secs(11);
    a.run(sent);
    assert!(a.seal(sent, b"into the void").is_ok());
    assert!(a.channel.is_dialling());
    a.run(sent + secs(15) - ms(1));
    assert!(a.events().is_empty());
    assert!(a.seal(sent + secs(15) - ms(1), b"still").is_ok());
    a.run(sent + secs(15));
    assert_eq!(a.events(), [ChannelEvent::Down { reason: DownReason::TimedOut }]);
    assert_eq!(a.seal(sent + secs(15), b"x"), Err(SealError::NotReady));
}

#[test]
fn a_busy_session_outlives_a_handshake_beside_that_fails() {
    let (mut a, mut b, start) = established();
    let sent = start + secs(11);
    a.run(sent);
    a.seal(sent, b"x").unwrap();
    assert!(a.channel.is_dialling());
    let message = b.seal(sent + secs(5), b"here I am").unwrap();
    a.run(sent + secs(5));
    a.receive(sent + secs(5), &message);
    a.run(sent + secs(16));
    assert!(a.events().is_empty() && !a.channel.is_dialling());
    assert!(a.seal(sent + secs(14), b"x").is_ok());
}

// 11

#[test]
fn another_identity_at_the_address_fails_clearly_when_the_time_is_over() {
    let mut y = Node::new(2);
    let mut a = Node::new(1).expecting(Node::new(3).key.id());
    let hello = one(a.open(START));
    let answer = one(y.deliver(START, &hello));
    assert_eq!(a.refuse(START + ms(1), &answer), Reason::WrongPeer);
    assert!(a.events().is_empty(), "a forger could have sent it");
    let sent = a.run(START + secs(15));
    assert!(sent.iter().all(|(_, datagram)| datagram[..4] == [0; 4]), "hellos and nothing else");
    assert_eq!(a.events(), [ChannelEvent::Failed { reason: Failure::WrongPeer }]);
    assert_eq!(a.channel.peer(), None);
}

#[test]
fn a_refused_identity_fails_as_refused() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    a.gate.refuses.push(b.public());
    let hello = one(a.open(START));
    let answer = one(b.deliver(START, &hello));
    assert_eq!(a.refuse(START, &answer), Reason::Refused);
    a.run(START + secs(15));
    assert_eq!(a.events(), [ChannelEvent::Failed { reason: Failure::Refused }]);
}

#[test]
fn nobody_without_the_keys_speaks_in_a_session() {
    let (_, mut b, now) = established();
    let (mut stranger, _) = pair(77);
    stranger.spend(100);
    let message = stranger.seal(&[b"I am a"]).unwrap();
    assert_eq!(b.refuse(now, &message), Reason::Undecryptable);
}

// 12

#[test]
fn our_own_messages_coming_back_make_no_session() {
    let mut a = Node::new(1);
    let hello = one(a.open(START));
    assert_eq!(a.refuse(START, &hello), Reason::Oneself);
    // Another channel of the same node answers; or a forger with our key and a recorded signature.
    let mut twin = Node::new(1);
    assert_eq!(twin.refuse(START, &hello), Reason::Oneself);
    assert!(a.events().is_empty());
    a.run(START + secs(15));
    assert_eq!(a.events(), [ChannelEvent::Failed { reason: Failure::Oneself }]);
    let (mut a, mut b, now) = established();
    let message = a.seal(now, b"x").unwrap();
    assert_eq!(a.refuse(now, &message), Reason::Undecryptable);
    b.receive(now, &message);
}

// 46, 47, 48

#[test]
fn lengths_past_the_end_and_short_datagrams_are_refused() {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let hello = one(a.open(START)).to_vec();
    for len in 0..hello.len() {
        b.refuse(START, &hello[..len]);
    }
    let mut long = hello.clone();
    let end = long.len();
    long[end - 2..].copy_from_slice(&u16::MAX.to_be_bytes());
    assert_eq!(b.refuse(START, &long), Reason::Malformed);
    assert_eq!(Hello::parse(&long).unwrap_err(), HandshakeError::Malformed);
}

#[test]
fn padding_before_the_protobuf_is_ignored_but_hashed() {
    let (a, mut b) = (Node::new(1), Node::new(2));
    let mut rng = Seed::from_u64(1).rng("padding");
    let sig = Purpose::Timestamp.sign(&a.key, &stamp(0).to_bytes());
    let mut payload = vec![0xff; 500];
    let spki = a.public().to_spki();
    let mut pb = Vec::new();
    InitHello { timestamp: &stamp(0).to_bytes(), key: &spki, sig: &sig }.encode(&mut pb);
    payload.extend_from_slice(&pb);
    payload.extend_from_slice(&(pb.len() as u16).to_be_bytes());
    let mut hello = vec![0, 0, 0, 0];
    let noise = Initiator::start(&[], rng.bytes(), &payload, &mut hello);
    let answer = one(b.deliver(START, &hello));
    assert!(noise.read(&answer[4..], &mut Vec::new()).is_ok());
}

#[test]
fn nothing_secret_is_printed() {
    let (mut a, mut b, _) = established();
    // With a handshake of ours, and a stranger's, under way.
    b.timing.silence = secs(0);
    assert!(b.seal(START + secs(30), b"x").is_ok());
    let hello = one(b.drain());
    let resp_hello = one(a.deliver(START + secs(30), &hello));
    let (mut session, _) = pair(1);
    assert!(session.seal(&[b"x"]).is_ok());
    let key = SecretKey::from_seed(&[0xa7; 32]);
    let date = Tai64n::from_unix(DATE);
    let (initiation, hello) = Initiation::start(&key, [0xb9; 32], date, START);
    let hello = Hello::parse(&hello).unwrap();
    let candidate = hello.answer(hello.id(), &a.key, [0xc5; 32], START).unwrap();
    let answer = initiation.read(candidate.resp_hello()).unwrap();
    let printed = [
        std::format!("{:?} {:#?}", a.channel, b.channel),
        std::format!("{session:?} {initiation:?} {candidate:?} {answer:?} {hello:?}"),
        std::format!("{key:?} {:?} {:?}", a.rng, Seed::from_u64(7)),
        std::format!(
            "{:?}",
            Context {
                key: &a.key,
                rng: &mut a.rng,
                clock: a.clock,
                timing: &a.timing,
                gate: &mut a.gate,
                scratch: &mut a.scratch,
            }
        ),
    ];
    for printed in printed {
        let numbers = printed.split(|c: char| !c.is_ascii_digit() && !", \n".contains(c));
        let longest = numbers.map(|list| list.matches(',').count()).max();
        assert!(longest < Some(8), "bytes, one by one: {printed}");
        let digits = printed.split(|c: char| !c.is_ascii_hexdigit());
        assert!(digits.map(str::len).max() < Some(32), "bytes in hexadecimal: {printed}");
    }
    drop(resp_hello);
}

#[test]
fn a_timeout_far_in_the_future_ends_everything_at_once() {
    let (mut a, ..) = established();
    a.timeout(Instant::from_nanos(u64::MAX / 2));
    assert_eq!(a.channel.poll_timeout(), None);
    let _ = a.input(Instant::from_nanos(u64::MAX / 2), &BytesMut::zeroed(100));
}
