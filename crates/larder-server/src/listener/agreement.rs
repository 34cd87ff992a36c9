//! Tests that framing and hyper read the same bytes as the same messages.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::framing::{Framing, Step};
use super::{Patience, Terms, TrustedProxies, serve_connection};

/// One request as it is sent, and what its handler must get.
#[derive(Debug, Clone)]
struct Message {
    bytes: Vec<u8>,
    body: Vec<u8>,
}

fn message() -> impl Strategy<Value = Message> {
    let body = proptest::collection::vec(
        prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0')],
        0..60,
    );
    let sizes = proptest::collection::vec(1_usize..20, 1..8);
    (body, sizes, 0..4_u8, "(X-[A-Z]: [ -~]{0,20}\r\n){0,3}").prop_map(
        |(body, sizes, form, fields)| {
            let mut bytes = format!("PUT /x HTTP/1.1\r\nHost: a\r\n{fields}").into_bytes();
            match form {
                0 => {
                    bytes.extend_from_slice(b"\r\n");
                    return Message {
                        bytes,
                        body: Vec::new(),
                    };
                }
                1 => {
                    bytes.extend_from_slice(
                        format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(),
                    );
                    bytes.extend_from_slice(&body);
                }
                _ => {
                    bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    push_chunks(&mut bytes, &body, &sizes);
                    bytes.extend_from_slice(if form == 2 {
                        b"0\r\n\r\n"
                    } else {
                        b"00;e=1\r\nX-Sum: 1\r\n\r\n"
                    });
                }
            }
            Message { bytes, body }
        },
    )
}

fn push_chunks(bytes: &mut Vec<u8>, mut body: &[u8], sizes: &[usize]) {
    for size in sizes.iter().cycle() {
        let (chunk, rest) = body.split_at((*size).min(body.len()));
        if chunk.is_empty() {
            return;
        }
        bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        body = rest;
    }
}

/// What framing makes of pieces: the released bytes, how many heads they had, and whether anything was refused.
fn judged<'piece>(pieces: impl IntoIterator<Item = &'piece [u8]>) -> (Vec<u8>, usize, bool) {
    let (mut framing, mut input, mut released, mut heads) =
        (Framing::new(), Vec::new(), Vec::new(), 0);
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let was_at_head = framing.is_at_head();
            match framing.step(&input) {
                Step::Release(length) => {
                    heads += usize::from(was_at_head);
                    released.extend(input.drain(..length));
                }
                Step::NeedMore => break,
                Step::Refuse(_) => return (released, heads, true),
            }
        }
    }
    (released, heads, false)
}

/// The bodies that handlers get whole when `bytes` arrive in writes of `size`.
fn received(bytes: Vec<u8>, size: usize) -> Vec<Vec<u8>> {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let router = Router::new().fallback(move |request: Request| {
        let kept = Arc::clone(&kept);
        async move {
            if let Ok(body) = to_bytes(request.into_body(), 1 << 20).await {
                kept.lock().unwrap().push(body.to_vec());
            }
        }
    });
    let terms = Terms {
        patience: Patience::default(),
        trusted_proxies: Arc::new(TrustedProxies::default()),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async move {
        let (client, far_end) = tokio::io::duplex(size);
        let (mut reader, mut writer) = tokio::io::split(client);
        let address = ([127, 0, 0, 1], 1).into();
        let serving =
            tokio::spawn(
                async move { serve_connection(far_end, address, false, router, &terms).await },
            );
        tokio::spawn(async move {
            let _ = writer.write_all(&bytes).await;
            // The answers are read while the connection idles out, so that none is lost to an early end.
            std::future::pending::<()>().await;
        });
        let hour = std::time::Duration::from_hours(1);
        let ending = async {
            let _ = reader.read_to_end(&mut Vec::new()).await;
            let _ = serving.await;
        };
        tokio::time::timeout(hour, ending)
            .await
            .expect("the connection does not end");
    });
    Arc::into_inner(bodies).unwrap().into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn valid_streams_pass_unchanged_wherever_they_are_split(messages in proptest::collection::vec(message(), 1..4)) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.bytes.clone()).collect();
        for split in 0..=bytes.len() {
            let (front, back) = bytes.split_at(split);
            let (released, heads, is_refused) = judged([front, back]);
            prop_assert!(!is_refused, "split at {split}: {}", bytes.escape_ascii());
            prop_assert_eq!(&released, &bytes);
            prop_assert_eq!(heads, messages.len());
        }
        let (released, heads, is_refused) = judged(bytes.chunks(1));
        prop_assert_eq!((released, heads, is_refused), (bytes, messages.len(), false));
    }

    #[test]
    fn handlers_get_the_bodies_that_were_sent(
        messages in proptest::collection::vec(message(), 1..4),
        size in prop_oneof![1_usize..8, 8_usize..9000],
    ) {
        let bytes = messages.iter().flat_map(|message| message.bytes.clone()).collect();
        let bodies: Vec<_> = messages.into_iter().map(|message| message.body).collect();
        prop_assert_eq!(received(bytes, size), bodies);
    }

    /// However a stream is damaged: hyper finds no message that framing did not find before it.
    #[test]
    fn damaged_streams_hide_no_message(
        messages in proptest::collection::vec(message(), 1..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8, prop_oneof![
            any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(b'0'), Just(b';'), Just(0)
        ]), 1..4),
        size in 1_usize..200,
    ) {
        let mut bytes: Vec<u8> = messages.iter().flat_map(|message| message.bytes.clone()).collect();
        for (place, kind, byte) in damage {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        let (_, heads, _) = judged([bytes.as_slice()]);
        let found = received(bytes.clone(), size).len();
        prop_assert!(found <= heads, "{found} of {heads}: {}", bytes.escape_ascii());
    }
}
