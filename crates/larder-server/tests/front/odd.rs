//! Requests that look odd and are right.

use std::fmt::Write as _;

use crate::support::{Server, statuses};

/// Requests, each with the answers that its connection gets.
const ANSWERED: &[(&[u8], &[&str])] = &[
    (b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"\r\nGET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"GET /a HTTP/1.0\r\n\r\n", &["[GET /a ]"]),
    (b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", &["[GET /a ]"]),
    (b"PUT /a HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", &["[PUT /a hi]"]),
    (b"GET http://a:80/b HTTP/1.1\r\nHost: A:80\r\nConnection: close\r\n\r\n", &["[GET /b ]"]),
    (b"GET /a HTTP/1.1\r\nhost:a\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"GET /a HTTP/1.1\r\nHost: \t a \t\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"GET /a HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"GET /a//b/%00?x=%23 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &["[GET /a//b/%00 ]"]),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &["[GET /\u{e4} ]"]),
    (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &["[OPTIONS * ]"]),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nX:\r\nY: \xff\tz\r\nConnection: close\r\n\r\n", &["[GET /a ]"]),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", &["[PUT /a ]"]),
    (b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 002\r\nConnection: close\r\n\r\nhi", &["[PUT /a hi]"]),
    (
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
          GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        &["[GET /a ]", "[PUT /b hi]", "[GET /c ]"],
    ),
    (
        b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0000;x=y\r\nX-Sum: 1\r\n\r\n\
          GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        &["[PUT /a hello]", "[GET /b ]"],
    ),
    (
        b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nG\r\nA\r\nET / HTTP/\r\n0\r\n\r\n\
          GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        &["[PUT /a GET / HTTP/]", "[GET /b ]"],
    ),
    (
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n\
          GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        &["[GET /a ]", "[GET /b ]"],
    ),
    (
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        &["[GET /a ]", "[GET /b ]"],
    ),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", &["[GET /a ]"]),
];

#[tokio::test]
async fn odd_requests_that_are_right_are_answered() {
    let server = Server::start().await;
    for (request, expected) in ANSWERED {
        let answer = server.answer_to(request).await;
        let shown = request.escape_ascii();
        assert_eq!(
            statuses(&answer),
            vec![200; expected.len()],
            "{shown}: {answer}"
        );
        let mut rest = answer.as_str();
        for body in *expected {
            let Some((_, after)) = rest.split_once(body) else {
                panic!("{shown}: no {body} in {answer}")
            };
            rest = after;
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_continue_is_told_to_go_on() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let head = b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("[PUT /a hi]"), "{answer}");
}

#[tokio::test]
async fn a_body_is_carried_whole_whatever_its_size() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    for size in [1, 4095, 8192, 8193, 65_536, 300_000] {
        let body = "abcdefghijklmnopqrstuvwxyz012345".repeat(size / 32 + 1)[..size].to_owned();
        let plain = format!("PUT /p HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}");
        let mut chunked =
            "PUT /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned();
        for chunk in body.as_bytes().chunks(7000) {
            let text = std::str::from_utf8(chunk).unwrap();
            write!(chunked, "{:x}\r\n{text}\r\n", chunk.len()).unwrap();
        }
        chunked.push_str("0\r\n\r\n");
        let (mut reader, mut writer) = server.connect().await.into_split();
        let sending = tokio::spawn(async move {
            writer
                .write_all((plain + &chunked).as_bytes())
                .await
                .map(|()| writer)
        });
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        let _writer = sending.await.unwrap().unwrap();
        assert!(answer.contains(&format!("[PUT /p {body}]")), "{size}");
        assert!(answer.ends_with(&format!("[PUT /c {body}]")), "{size}");
    }
}
