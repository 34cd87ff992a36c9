//! Servers that break off, forget and lie.

use crate::fake::running;
use crate::scripted::{Asked, answer, json, no, server};
use crate::transfer::{JOB, download_of};
use larder_agent::artifacts::{UploadOptions, download, upload};
use larder_protocol::{
    ArtifactBody, ArtifactList, ArtifactState, BeginUpload, JobBody, UploadBody,
};
use sha2::{Digest, Sha256};
use std::fs::{self, File};

const CONTENT: &[u8] = b"0123456789abcdefghij";

fn digest_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn artifact(path: &str, content: &[u8], url: &str) -> ArtifactBody {
    ArtifactBody {
        id: "an-artifact".to_owned(),
        number: 1,
        job_id: JOB.to_owned(),
        build_id: String::new(),
        path: path.to_owned(),
        alias: None,
        state: ArtifactState::Finished,
        size: i64::try_from(content.len()).unwrap(),
        content_type: String::new(),
        sha1: None,
        sha256: Some(digest_of(content)),
        mode: Some("750".to_owned()),
        created_at: String::new(),
        finished_at: None,
        url: url.to_owned(),
    }
}

fn job() -> JobBody {
    JobBody {
        id: JOB.to_owned(),
        ..running()
    }
}

/// Answers what a download asks first; everything else is the content.
fn answered(asked: &Asked, content: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let host = asked.header("host").unwrap();
    let url = format!("http://{host}/content");
    match asked.line.as_str() {
        "GET /content" => content(),
        line if line.starts_with("GET /larder/v1/jobs/a-job/artifacts") => json(
            "200 OK",
            &ArtifactList {
                artifacts: vec![artifact("d/file", CONTENT, &url)],
                next: None,
            },
        ),
        "GET /larder/v1/jobs/a-job" => json("200 OK", &job()),
        _ => no("404 Not Found", "no_such_route"),
    }
}

/// The first `size` bytes of an answer that promises all of them.
fn cut(size: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        CONTENT.len()
    );
    [head.as_bytes(), &CONTENT[..size]].concat()
}

fn rest(asked: &Asked) -> Vec<u8> {
    let from: usize = asked
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'))
        .map_or(0, |from| from.parse().unwrap());
    if from == 0 {
        return answer("200 OK", "", CONTENT);
    }
    let tag = format!("\"{}\"", digest_of(CONTENT));
    assert_eq!(asked.header("if-range"), Some(tag.as_str()));
    let range = format!("Content-Range: bytes {from}-19/20\r\n");
    answer("206 Partial Content", &range, &CONTENT[from..])
}

pub(crate) async fn a_download_that_is_cut_goes_on_where_it_was() {
    let (server, log) = server(|asked, before| {
        answered(asked, || match before {
            0 => cut(7),
            _ => rest(asked),
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let summary = download(download_of(&server, folder.path(), &["d"]), |_| {})
        .await
        .unwrap();
    assert_eq!(summary.received_bytes, 20);
    assert_eq!(fs::read(folder.path().join("d/file")).unwrap(), CONTENT);
    let log = log.lock().unwrap();
    let ranges: Vec<_> = log
        .iter()
        .filter(|asked| asked.line == "GET /content")
        .map(|asked| asked.header("range"))
        .collect();
    assert_eq!(ranges, [None, Some("bytes=7-")]);
}

pub(crate) async fn the_same_command_goes_on_with_what_the_last_one_left() {
    let (server, _log) = server(|asked, before| {
        answered(asked, || match before {
            0 => cut(5),
            // Nothing more, however often it is asked.
            1..=4 => b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n".to_vec(),
            _ => rest(asked),
        })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let options = download_of(&server, folder.path(), &[]);
    let error = download(options.clone(), |_| {}).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(!folder.path().join("d/file").exists());
    let summary = download(options.clone(), |_| {}).await.unwrap();
    assert_eq!((summary.received_bytes, summary.files.len()), (15, 1));
    assert_eq!(fs::read(folder.path().join("d/file")).unwrap(), CONTENT);
    assert_eq!(fs::read_dir(folder.path().join("d")).unwrap().count(), 1);
    let again = download(options, |_| {}).await.unwrap();
    assert!(again.files[0].was_there);
    assert_eq!(again.received_bytes, 0);
}

pub(crate) async fn a_server_that_lies_about_bytes_leaves_nothing() {
    let longer = [CONTENT, b"more"].concat();
    let swapped = [&CONTENT[1..], &CONTENT[..1]].concat();
    let answers = [
        answer("200 OK", "", &longer),
        answer("200 OK", "", &swapped),
        // Ranges that nobody asked for.
        answer(
            "206 Partial Content",
            "Content-Range: bytes 3-19/20\r\n",
            &CONTENT[3..],
        ),
        answer("206 Partial Content", "", CONTENT),
    ];
    for lie in answers {
        let (server, _log) = server(move |asked, _| answered(asked, || lie.clone())).await;
        let folder = tempfile::tempdir().unwrap();
        let options = download_of(&server, folder.path(), &[]);
        let summary = download(options, |_| {}).await.unwrap();
        assert_eq!(
            (summary.files.len(), summary.problems.len()),
            (0, 1),
            "{summary:?}"
        );
        let left = fs::read_dir(folder.path().join("d")).unwrap().count();
        assert_eq!(left, 0, "{:?}", summary.problems);
    }
}

pub(crate) async fn ten_thousand_names_that_lead_outside_are_ten_thousand_problems() {
    let (server, log) = server(|asked, _| {
        if !asked.line.contains("/artifacts") {
            return answered(asked, Vec::new);
        }
        let artifacts = (0..10_000).map(|number| artifact(&format!("../../{number}"), b"", ""));
        json(
            "200 OK",
            &ArtifactList {
                artifacts: artifacts.collect(),
                next: None,
            },
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a/b");
    let summary = download(download_of(&server, &target, &[]), |_| {})
        .await
        .unwrap();
    assert_eq!((summary.files.len(), summary.problems.len()), (0, 10_000));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(
        log.lock().unwrap().len(),
        3,
        "no byte of them was asked for"
    );
}

pub(crate) async fn a_file_that_changed_is_tried_once_more_and_then_named() {
    for refusals in [1, 2] {
        let (server, log) = server(move |asked, before| {
            if before < refusals {
                no("422 Unprocessable Content", "digest_mismatch")
            } else {
                json("201 Created", &artifact("file", &asked.body, ""))
            }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), CONTENT).unwrap();
        let options = UploadOptions::new(server, JOB, folder.path(), &["file"]);
        let summary = upload(options, |_| {}).await.unwrap();
        assert_eq!(log.lock().unwrap().len(), 2);
        if refusals == 1 {
            assert_eq!((summary.files.len(), summary.problems.len()), (1, 0));
        } else {
            let problems = summary.problems.join("\n");
            assert!(
                problems.contains("file: changed while it was being uploaded"),
                "{problems}"
            );
        }
    }
}

const PART: u64 = 16 << 20;

/// A file of 33 MiB and the answer to its beginning.
fn begun(id: &str, part_bytes: u64, parts: u32, held: &[u32]) -> Vec<u8> {
    json(
        "200 OK",
        &UploadBody {
            id: id.to_owned(),
            part_bytes,
            parts,
            held: held.to_vec(),
            artifact: None,
        },
    )
}

pub(crate) async fn an_upload_that_the_server_forgot_begins_again_and_sends_what_is_missing() {
    const UPLOADS: &str = "POST /larder/v1/jobs/a-job/uploads";
    let (server, log) = server(|asked, before| match asked.line.as_str() {
        UPLOADS if before == 0 => begun("gone", PART, 3, &[]),
        UPLOADS => begun("here", PART, 3, &[0]),
        line if line.contains("/uploads/gone/") => no("404 Not Found", "not_found"),
        line if line.contains("/uploads/here/parts/") => answer("204 No Content", "", b""),
        line if line.ends_with("/uploads/here/finish") => {
            let mut whole = artifact("large", b"", "");
            whole.sha256 = None;
            json("201 Created", &whole)
        }
        line => panic!("{line}"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("large")).unwrap();
    file.set_len(33 << 20).unwrap();
    let options = UploadOptions::new(server, JOB, folder.path(), &["large"]);
    let summary = upload(options, |_| {}).await.unwrap();
    assert_eq!(summary.problems, [""; 0]);
    let log = log.lock().unwrap();
    let announced: BeginUpload = serde_json::from_slice(&log[0].body).unwrap();
    assert_eq!(
        (announced.size, announced.path.as_str()),
        (33 << 20, "large")
    );
    let mut sent: Vec<_> = log
        .iter()
        .filter(|asked| asked.line.contains("/here/parts/"))
        .map(|asked| {
            (
                asked.line.rsplit('/').next().unwrap().to_owned(),
                asked.body.len(),
            )
        })
        .collect();
    sent.sort();
    assert_eq!(
        sent,
        [("1".to_owned(), 16 << 20), ("2".to_owned(), 1 << 20)]
    );
    for asked in log.iter().filter(|asked| asked.line.contains("/parts/")) {
        use base64::Engine;
        let digest = Sha256::digest(&asked.body);
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        assert_eq!(
            asked.header("content-digest"),
            Some(format!("sha-256=:{digest}:").as_str())
        );
    }
}

pub(crate) async fn a_server_that_wants_impossible_parts_is_refused() {
    for (part_bytes, parts) in [(0, 1), (PART, 2), (1, 33), (u64::MAX, 0)] {
        let (server, log) = server(move |_, _| begun("odd", part_bytes, parts, &[])).await;
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("large")).unwrap();
        file.set_len(33 << 20).unwrap();
        let options = UploadOptions::new(server, JOB, folder.path(), &["large"]);
        let summary = upload(options, |_| {}).await.unwrap();
        let problems = summary.problems.join("\n");
        assert!(problems.contains("the server wants"), "{problems}");
        assert_eq!(log.lock().unwrap().len(), 1);
    }
}

/// A server that is away for a moment in the middle of an upload.
pub(crate) async fn an_answer_that_asks_for_patience_is_given_it() {
    let (server, log) = server(|asked, before| match before {
        0 => no("503 Service Unavailable", "unavailable"),
        // No answer at all.
        1 => Vec::new(),
        _ => json("201 Created", &artifact("file", &asked.body, "")),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), CONTENT).unwrap();
    let options = UploadOptions::new(server, JOB, folder.path(), &["file"]);
    let told = std::sync::Mutex::new(Vec::new());
    let summary = upload(options, |event| {
        if let larder_agent::artifacts::UploadEvent::Warning(text) = event {
            told.lock().unwrap().push(text.to_owned());
        }
    })
    .await
    .unwrap();
    assert_eq!(summary.files[0].sent_bytes, 60);
    assert_eq!(log.lock().unwrap().len(), 3);
    let told = told.into_inner().unwrap().join("\n");
    assert!(told.contains("trying again"), "{told}");
}
