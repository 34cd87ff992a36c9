//! Requests that break the rules: none reaches a handler, each is told why, and its connection ends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::slow::connect;
use crate::support::{Server, statuses};

/// A second request behind the bad one: nobody may ever answer it.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads and chunk framings with the status of their only answer. `0` stands for "the body is refused": there the
/// handler has been reached, and must not get the body whole.
const REFUSED: &[(u16, &[u8])] = &[
    // What hyper would have answered with 200.
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (400, b"GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    (400, b"GET http://a/ HTTP/1.0\r\n\r\n"),
    // The request line.
    (400, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /\r\nHost: a\r\n\r\n"),
    (400, b"GET\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    (400, b"GET / HTTP/11\r\nHost: a\r\n\r\n"),
    (400, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET / ICY/1.1\r\nHost: a\r\n\r\n"),
    (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    (505, b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    (501, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (501, b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (501, b"REFUSED / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (405, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    (400, b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    // The target.
    (400, b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /a\x7fb HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET /a<b> HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    (400, b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"),
    // The host.
    (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a/x\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a?x\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    // Other fields.
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\tX: y\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\0: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX(: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x0bb\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n"),
    (417, b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\nx"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    // The length.
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5a\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello"),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nhello"),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nhello"),
    // The coding.
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
];

/// What follows a good head with `Transfer-Encoding: chunked`.
const REFUSED_CHUNKS: &[&[u8]] = &[
    b"\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhelloo\r\n0\r\n\r\n",
    b"5\r\nhell\r\n0\r\n\r\n",
    b"5\rX\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5_0\r\nhello\r\n0\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"5;a b\r\nhello\r\n0\r\n\r\n",
    b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;\0\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
    b"5\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\n\r\n",
    b"5\r\nhello\r\n0\r\n X: y\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\n",
];

#[tokio::test]
async fn a_malformed_head_reaches_no_handler() {
    let server = Server::start().await;
    for (status, request) in REFUSED {
        let answer = server.answer_to(&[request, SMUGGLED].concat()).await;
        let shown = request.escape_ascii();
        assert_eq!(statuses(&answer), [*status], "{shown}: {answer}");
        assert!(answer.contains("connection: close"), "{shown}: {answer}");
        assert_eq!(server.seen.begun(), 0, "{shown}");
    }
}

#[tokio::test]
async fn a_malformed_head_behind_a_good_request_is_refused_after_its_answer() {
    let server = Server::start().await;
    for (number, (status, request)) in REFUSED.iter().enumerate() {
        let good = b"PUT /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
        let answer = server.answer_to(&[good, *request, SMUGGLED].concat()).await;
        let shown = request.escape_ascii();
        // Two empty lines before a request are one too many, but the first of them is allowed everywhere.
        assert_eq!(statuses(&answer), [200, *status], "{shown}: {answer}");
        assert_eq!(server.seen.begun(), number + 1, "{shown}");
    }
}

#[tokio::test]
async fn a_malformed_chunk_breaks_the_body_off() {
    let server = Server::start().await;
    for chunks in REFUSED_CHUNKS {
        let head: &[u8] = b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = server.answer_to(&[head, chunks, SMUGGLED].concat()).await;
        let shown = chunks.escape_ascii();
        assert_eq!(statuses(&answer), [400], "{shown}: {answer}");
        assert!(!answer.contains("smuggled"), "{shown}: {answer}");
        assert_eq!(server.seen.whole(), 0, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_is_judged_the_same_when_it_comes_byte_by_byte() {
    for (status, request) in REFUSED {
        let (client, seen) = connect(1);
        let (mut reader, mut writer) = tokio::io::split(client);
        let sending = tokio::spawn(async move {
            let _ = writer.write_all(request).await;
        });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        sending.await.unwrap();
        assert_eq!(
            statuses(&answer),
            [*status],
            "{}: {answer}",
            request.escape_ascii()
        );
        assert_eq!(seen.begun(), 0);
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_with_its_status() {
    let server = Server::start().await;
    let long = "x".repeat(9000);
    let cases = [
        (414, format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
        (414, format!("GET /?{long}{long}{long}")),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\nY: {long}\r\n\r\n"),
        ),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}{long}{long}"),
        ),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(64)),
        ),
        (400, long.clone()),
    ];
    for (status, request) in cases {
        let answer = server.answer_to(request.as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{}", &request[..40]);
    }
    let trailers = format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {long}\r\n\r\n"
    );
    assert_eq!(
        statuses(&server.answer_to(trailers.as_bytes()).await),
        [400]
    );
    let extension =
        format!("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;{long}\r\n\r\n");
    assert_eq!(
        statuses(&server.answer_to(extension.as_bytes()).await),
        [400]
    );
    assert_eq!(server.seen.whole(), 0);
}
