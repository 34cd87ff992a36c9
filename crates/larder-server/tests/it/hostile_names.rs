//! Names made to deceive: each is refused with 400, or comes back byte for byte by the list, its `url` and its path; and
//! none of them becomes the name of a file.

use crate::support::{Answer, DEMO, TestLarder};
use larder_core::model::Role;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Paths as they stand in a request, which must be refused.
fn refused() -> Vec<String> {
    let mut names = Vec::new();
    climbing(&mut names);
    for hostile in (0..0x20)
        .chain(0x7f..0xa0)
        .chain(0x202a..0x202f)
        .chain(0x2066..0x206a)
        .chain([0x2028, 0x2029])
    {
        names.push(format!(
            "a{}b.txt",
            encoded(char::from_u32(hostile).unwrap())
        ));
    }
    for place in ["%00", "%0A", "%0D", "%1B", "%09", "%E2%80%AE"] {
        names.extend([
            format!("{place}a"),
            format!("a{place}"),
            place.to_owned(),
            format!("a/{place}/b"),
        ]);
    }
    for broken in [
        "%FF",
        "%FE",
        "%80",
        "%C0%AF",
        "%C0%AE%C0%AE",
        "%C0%80",
        "%C1%9C",
        "%E0%80%AF",
        "%F0%80%80%AF",
        "%ED%A0%80",
        "%F4%90%80%80",
        "%C3",
        "%E2%82",
        "%F0%9F%98",
        "%F8%88%80%80%80",
        "%C3%28",
    ] {
        names.extend([format!("a{broken}"), format!("{broken}/x")]);
    }
    names.extend([
        "x".repeat(256),
        format!("a/{}/b", "x".repeat(256)),
        "%C3%A9".repeat(128),
        "%F0%9F%98%80".repeat(64),
    ]);
    names.extend([
        path_of_bytes(1025),
        path_of_bytes(5_000),
        vec!["d"; 65].join("/"),
        vec!["d"; 500].join("%2F"),
    ]);
    names
}

/// Ways up and out.
fn climbing(names: &mut Vec<String>) {
    for dots in ["..", ".", "%2e%2e", "%2E.", ".%2e", "%2e"] {
        for slash in ["/", "%2F", "%2f"] {
            names.extend([
                format!("{dots}{slash}x"),
                format!("a{slash}{dots}{slash}b"),
                format!("a{slash}{dots}"),
                format!("{dots}{slash}{dots}{slash}{dots}{slash}{dots}{slash}planted"),
            ]);
        }
        names.push(dots.to_owned());
    }
    for separator in ["%5C", "%5c"] {
        names.extend([
            format!("..{separator}..{separator}windows"),
            format!("a{separator}b"),
            format!("{separator}{separator}server{separator}share"),
            format!("C:{separator}x"),
            format!("a{separator}"),
        ]);
    }
    for empty in [
        "/etc/passwd",
        "//etc/passwd",
        "a//b",
        "a%2F%2Fb",
        "a/%2Fb",
        "%2Fetc%2Fpasswd",
        "a/",
        "a%2F",
        "%2F",
        "%2F%2F",
        "/",
        "https://evil.example/x",
        "https:%2F%2Fevil.example",
        "file:///etc/passwd",
    ] {
        names.push(empty.to_owned());
    }
}

/// Encoded twice: once decoded they are plain characters.
const DECODED_TWICE: &[&str] = &[
    "%2e%2e%2fetc%2fpasswd",
    "%2F",
    "%00",
    "%252e",
    "%5c",
    "%C0%AF",
    "a%0ab",
    "%",
    "%2",
    "%zz",
    "100%",
];

/// Streams, drives, dots and spaces at the ends.
const AT_THE_ENDS: &[&str] = &[
    "a.txt:stream",
    "a.txt::$DATA",
    "C:x",
    "C:/Windows/x",
    "a.",
    "a..",
    "a ",
    " a",
    "a .",
    "...",
    "....",
    ". .",
    ".. ",
    " ..",
    " ",
    "a/ /b",
    ". ",
    "..a",
    "a..b",
    ".hidden",
    "..../x",
    "\u{a0}",
];

/// Read as options, patterns, commands, markup or queries by somebody.
const READ_BY_SOMEBODY: &[&str] = &[
    "--help",
    "-rf",
    "--output=x",
    "-",
    "--",
    "-o/x",
    "@args",
    "=1+1",
    "+1",
    "$(id)",
    "`id`",
    "a;b",
    "a|b",
    "a&b",
    "~root/x",
    "~",
    "${HOME}",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "'; DROP TABLE artifact;--",
    "\"",
    "'",
    "\"; filename=x.exe",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}",
    "%s%n",
    "a?b=c",
    "a#b",
    "a?",
    "#",
    "a&b=c",
    "a;v=1",
    "a,b",
    "javascript:alert(1)",
    "data:text",
    "http:/evil.example/x",
    "user@host:x",
    "mailto:x@y",
    "?download=1",
    "a=b",
];

/// Names of the store's own.
const OF_THE_STORE: &[&str] = &[
    "meta.db",
    "meta.db-wal",
    "signing-keys.json",
    "LOCK",
    "admin.sock",
    "tmp/x",
    "blobs/00/x",
    "00/abc",
    "etc/passwd",
    ".git/config",
    ".ssh/authorized_keys",
    "larder/v1/projects",
    "content",
    "artifacts",
    "null",
    "undefined",
    "0",
];

/// Equal to some and different to others.
const TWINS: &[&str] = &[
    "README",
    "readme",
    "Readme",
    "ReadMe",
    "A/b",
    "a/b",
    "a/B",
    "\u{e9}",
    "e\u{301}",
    "\u{e5}",
    "a\u{30a}",
    "\u{212b}",
    "\u{c5}",
    "\u{f1}",
    "n\u{303}",
    "\u{ac00}",
    "\u{1100}\u{1161}",
    "\u{130}",
    "\u{131}",
    "i",
    "I",
    "\u{df}",
    "ss",
    "SS",
    "\u{1e9e}",
    "\u{212a}",
    "K",
    "\u{fb01}",
    "fi",
    "\u{3c3}",
    "\u{3c2}",
    "\u{2126}",
    "\u{3a9}",
];

/// Scripts, pictures, and characters that are not seen.
const SCRIPTS: &[&str] = &[
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "\u{1f1e9}\u{1f1ea}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{645}\u{631}\u{62d}\u{628}\u{627}.txt",
    "\u{6587}\u{4ef6}",
    "\u{ff0e}\u{ff0e}\u{ff0f}x",
    "\u{2024}\u{2024}/x",
    "\u{2215}etc\u{2215}passwd",
    "\u{2044}x",
    "\u{200b}",
    "a\u{200b}b",
    "\u{feff}a",
    "a\u{200d}b",
    "a\u{200e}b",
    "a\u{200f}b",
    "a\u{61c}b",
    "a\u{ad}b",
    "\u{fffd}",
    "\u{fffe}",
    "\u{e000}",
    "\u{10ffff}",
    "\u{e0041}",
    "Z\u{351}\u{36b}\u{343}a\u{300}\u{301}\u{302}lgo",
    "p\u{430}ypal.com",
    "\u{3000}",
    "\u{2003}",
    "\u{180e}",
    "\u{115f}",
];

/// Names that are only odd, as themselves; all of them are kept.
fn kept() -> Vec<String> {
    let tables = [
        DECODED_TWICE,
        AT_THE_ENDS,
        READ_BY_SOMEBODY,
        OF_THE_STORE,
        TWINS,
        SCRIPTS,
    ];
    let mut names: Vec<_> = tables.concat().into_iter().map(str::to_owned).collect();
    let devices = ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"]
        .map(str::to_owned)
        .into_iter();
    let ports = (0..=9).flat_map(|number| [format!("COM{number}"), format!("LPT{number}")]);
    for device in devices.chain(ports) {
        names.extend([
            device.clone(),
            format!("{}.txt", device.to_lowercase()),
            format!("a/{device}/b"),
            format!("{device}."),
        ]);
    }
    for mark in (0x21..0x7f_u8).filter(|mark| mark.is_ascii_punctuation() && !b"/\\".contains(mark))
    {
        names.push(format!("x{}y", char::from(mark)));
    }
    names.extend([
        "x".repeat(255),
        "\u{e9}".repeat(127),
        "\u{1f600}".repeat(63),
        format!("{}/{}", "y".repeat(255), "z".repeat(255)),
    ]);
    names.extend([
        path_of_bytes(1023),
        path_of_bytes(1024),
        vec!["d"; 64].join("/"),
        vec!["d"; 63].join("/"),
    ]);
    names
}

/// A path of so many bytes whose components are short.
fn path_of_bytes(bytes: usize) -> String {
    let mut path = String::new();
    while path.len() + 101 < bytes {
        path.push_str(&"p".repeat(100));
        path.push('/');
    }
    let rest = bytes - path.len();
    path + &"q".repeat(rest)
}

fn encoded(character: char) -> String {
    utf8_percent_encode(&character.to_string(), NON_ALPHANUMERIC).to_string()
}

/// Every byte percent-encoded but those that never need it, and the `/` kept as it is: never a `.` as itself.
fn encoded_path(path: &str) -> String {
    let parts: Vec<_> = path
        .split('/')
        .map(|part| percent_encode(part.as_bytes(), NON_ALPHANUMERIC).to_string())
        .collect();
    parts.join("/")
}

/// Every file and folder below `folder`, relative to it, with `/` between.
fn below(folder: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!(
                "{prefix}{}",
                entry
                    .file_name()
                    .to_str()
                    .expect("a file name that is no UTF-8")
            );
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            }
            found.insert(name);
        }
    }
    let mut found = BTreeSet::new();
    walk(folder, "", &mut found);
    found
}

/// Whether a name below the data folder is one that the store makes up itself.
fn is_ours(name: &str) -> bool {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    match name.strip_prefix("blobs/") {
        Some("tmp") => true,
        Some(blob) => match blob.split_once('/') {
            Some((fan, key)) => is_hex(fan, 2) && is_hex(key, 32) && key.ends_with(fan),
            None => is_hex(blob, 2),
        },
        None => [
            "blobs",
            "meta.db",
            "meta.db-wal",
            "meta.db-shm",
            "signing-keys.json",
        ]
        .contains(&name),
    }
}

/// A running job, its address and a token that may do everything with it.
struct Target {
    test: TestLarder,
    job: String,
    token: String,
}

impl Target {
    async fn start() -> Self {
        let test = TestLarder::with_demo().await;
        let token = test.member("ada", Role::Writer, DEMO, "admin").await;
        let builds = format!("/larder/v1/projects/{DEMO}/builds");
        let announced = test
            .post(
                &token,
                &builds,
                json!({ "jobs": [{ "name": "build" }] }).to_string(),
            )
            .await
            .is(201);
        let job = format!(
            "/larder/v1/jobs/{}",
            announced.json()["jobs"][0]["id"].as_str().unwrap()
        );
        Self { test, job, token }
    }

    /// Keeps a file of its own bytes under each name; its `url` by name.
    async fn keep_all(&self, names: &[String]) -> BTreeMap<String, String> {
        let mut urls = BTreeMap::new();
        for name in names {
            let address = format!("{}/artifacts/{}", self.job, encoded_path(name));
            let answer = self
                .test
                .put(&self.token, &address, format!("bytes of {name}"))
                .await;
            assert_eq!(answer.status, 201, "{name:?}: {:?}", answer.body);
            let artifact = answer.json();
            assert_eq!(artifact["path"], name.as_str());
            urls.insert(name.clone(), artifact["url"].as_str().unwrap().to_owned());
        }
        assert_eq!(urls.len(), names.len(), "a name is there twice");
        urls
    }

    /// Begins an upload in parts under a name, which is encoded as it would be in an address.
    async fn begin(&self, name: &str) -> Answer {
        let name = percent_decode_str(name).decode_utf8();
        let Ok(name) = name else {
            // What is no text cannot stand in JSON.
            let body = br#"{"path":"\xff","size":1,"sha256":""}"#;
            return self.post_upload(body.to_vec()).await;
        };
        let body = json!({ "path": name, "size": 1, "sha256": "00".repeat(32) });
        self.post_upload(body.to_string().into()).await
    }

    async fn post_upload(&self, body: Vec<u8>) -> Answer {
        let address = format!("{}/uploads", self.job);
        self.test.post(&self.token, &address, body).await
    }

    async fn listed(&self) -> BTreeSet<String> {
        let list = self
            .test
            .get(&self.token, &format!("{}/artifacts?limit=1000", self.job))
            .await
            .is(200)
            .json();
        assert!(list["next"].is_null());
        list["artifacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn no_name_leaves_the_data_folder_and_each_is_refused_or_comes_back_as_it_was() {
    let (refused, kept) = (refused(), kept());
    let distinct: BTreeSet<_> = refused.iter().chain(&kept).collect();
    assert!(distinct.len() >= 300, "{}", distinct.len());
    assert!(refused.len() >= 150 && kept.len() >= 150);
    let target = Target::start().await;
    let here = below(&std::env::current_dir().unwrap());

    let planted = target.test.folder.path().join("planted");
    let absolute = encoded_path(planted.to_str().unwrap());
    let mut all: Vec<_> = refused.iter().map(String::as_str).collect();
    all.extend([
        "../planted",
        "../../planted",
        "..%2f..%2f..%2f..%2fplanted",
        &absolute,
    ]);
    for name in all {
        let address = format!("{}/artifacts/{name}", target.job);
        let answer = target.test.put(&target.token, &address, "planted").await;
        answer.refused(400, "invalid", "");
        let folder = format!("{}/folders/{name}", target.job);
        let answer = target.test.put(&target.token, &folder, "").await;
        answer.refused(400, "invalid", "");
        target.begin(name).await.refused(400, "invalid", "");
    }
    assert_eq!(target.listed().await, BTreeSet::new());

    let urls = target.keep_all(&kept).await;
    // Only when all are there: a name must not have taken another's place.
    assert_eq!(target.listed().await, kept.iter().cloned().collect());
    for (name, url) in &urls {
        let by_url = url.strip_prefix("https://larder.test").unwrap();
        let by_path = format!("{}/artifacts/{}", target.job, encoded_path(name));
        for address in [by_url, &by_path] {
            let answer = target.test.get(&target.token, address).await.is(200);
            assert_eq!(
                answer.body,
                format!("bytes of {name}"),
                "{name:?} by {address}"
            );
        }
    }

    assert_eq!(below(&std::env::current_dir().unwrap()), here);
    if target.test.beside.embedded().is_some() {
        assert_only_our_files(target.test.folder.path(), kept.len());
    }
}

/// Asserts that `folder` holds the store, that every file in it has a name that the store makes up, and that there is one
/// for each blob.
fn assert_only_our_files(folder: &Path, blobs: usize) {
    let all = below(folder);
    let (inside, outside): (Vec<_>, Vec<_>) =
        all.iter().partition(|name| name.starts_with("home/data/"));
    assert_eq!(outside, ["home", "home/data"]);
    let inside: Vec<_> = inside
        .iter()
        .map(|name| &name["home/data/".len()..])
        .collect();
    let strange: Vec<_> = inside.iter().filter(|name| !is_ours(name)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    let of_a_blob =
        |name: &&&str| name.starts_with("blobs/") && name.len() == "blobs/00/".len() + 32;
    assert_eq!(inside.iter().filter(of_a_blob).count(), blobs);
}
