//! Behind a real nginx with TLS and a path: its configuration is the one that `deploy/` offers, with other ports and files.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Made, PATIENCE, PROJECT, ServeProcess, Store, output_within, wait_for};

const CONFIGURATION: &str = include_str!("../../../../deploy/nginx.conf");
/// Where users reach it, whatever the ports of the test are.
const PUBLIC_URL: &str = "https://ci.example/larder";
/// Larger than all buffers on the way.
const SIZE: usize = 5_000_000;
/// More pages than a store with one build has.
const PAGES_MAX: usize = 200;

#[test]
#[ignore = "needs nginx and curl"]
fn pages_and_apis_work_behind_nginx_that_hands_the_path_on() {
    check_everything(CONFIGURATION);
}

#[test]
#[ignore = "needs nginx and curl"]
fn pages_and_apis_work_behind_nginx_that_takes_the_path_away() {
    let taken = replaced(
        CONFIGURATION,
        "proxy_pass http://larder;",
        "proxy_pass http://larder/;",
    );
    let said = replaced(
        &taken,
        "X-Forwarded-Prefix \"\"",
        "X-Forwarded-Prefix /larder",
    );
    check_everything(&said);
}

#[test]
#[ignore = "needs nginx and curl"]
fn nginx_signs_people_in_and_nobody_else_can_say_who_they_are() {
    let site = Site::start(&CONFIGURATION.replace("#sso# ", ""), |serve| {
        serve
            .variable("LARDER__SIGN_IN__USER_HEADER", "X-Forwarded-User")
            .variable("LARDER__SIGN_IN__GROUPS_HEADER", "X-Forwarded-Groups")
            .variable("LARDER__SIGN_IN__GROUPS", "dev=github/acme:reader")
            .variable("LARDER__SIGN_IN__SIGN_OUT_URL", "/oauth2/sign_out")
    });
    let (token, job) = site.job();
    let file = site.upload(&job, &Made::new(3).bytes(SIZE));
    let page = format!("{PUBLIC_URL}/{PROJECT}");

    // Whoever is not signed in is led to the proxy's page.
    let stranger = site.curl(&[&page]).is(302);
    let back = format!("/oauth2/start?rd=/larder/{PROJECT}");
    assert_eq!(stranger.location, back);
    // Cookies of the stand-in for oauth2-proxy say who somebody is.
    let ada = "sso=ada@acme.example; groups=dev";
    let seen = site.curl(&["--cookie", ada, &page]).is(200);
    assert!(seen.text().contains("ada@acme.example"), "{}", seen.text());
    site.curl(&["--cookie", "sso=ada@acme.example; groups=none", &page])
        .is(404);
    // A browser's look at a file counts, and a person's own words about the user do not.
    site.curl(&["--cookie", ada, "-L", &file]).is(200);
    check_own_words(&site, &page);

    // Programs come with tokens, past the sign-in.
    let list = format!("{PUBLIC_URL}/api/v1.1/project/{PROJECT}/1/artifacts");
    site.curl(&["-H", &format!("Circle-Token: {token}"), &list])
        .is(200);
    site.curl(&["-H", &format!("Authorization: Bearer {token}"), &list])
        .is(200);
    site.curl(&[&format!("{PUBLIC_URL}/readyz")]).is(200);

    // Forms of other sites are refused, and signing out leads to the proxy.
    let out = format!("{PUBLIC_URL}/sign-out");
    let evil = [
        "--cookie",
        ada,
        "-X",
        "POST",
        "-H",
        "Origin: https://evil.example",
        &out,
    ];
    site.curl(&evil).is(403);
    let own = [
        "--cookie",
        ada,
        "-d",
        "",
        "-H",
        "Origin: https://ci.example",
        &out,
    ];
    let answer = site.curl(&own).is(200);
    assert!(
        answer.text().contains("href=\"/oauth2/sign_out\""),
        "{}",
        answer.text()
    );
}

/// What clients say of themselves reaches the larder neither through nginx nor around it.
fn check_own_words(site: &Site, page: &str) {
    let claim = [
        "-H",
        "X-Forwarded-User: admin",
        "-H",
        "X-Forwarded-Groups: dev",
    ];
    let mut smuggled = claim.to_vec();
    smuggled.extend(["--cookie", "sso=bob; groups=none", page]);
    site.curl(&smuggled).is(404);
    let mut with_token = claim.to_vec();
    let any_token = format!("{page}?circle-token=x");
    with_token.push(&any_token);
    let anonymous = site.curl(&with_token).is(302);
    assert!(
        anonymous.location.contains("/larder/sign-in"),
        "{}",
        anonymous.location
    );
    let direct = format!("http://{}/larder/{PROJECT}", site.stranger);
    let mut around = claim.to_vec();
    around.extend(["-H", "Host: ci.example", &direct]);
    site.curl(&around).is(302);
}

/// Signs in through the pages, looks at all of them, uploads a file, and reads it through both APIs.
fn check_everything(configuration: &str) {
    let site = Site::start(configuration, |serve| serve);
    site.sign_in();
    let (token, job) = site.job();
    let bytes = Made::new(4).bytes(SIZE);
    let url = site.upload(&job, &bytes);
    assert!(
        site.curl(&["-L", "-H", &format!("Circle-Token: {token}"), &url])
            .is(200)
            .body
            == bytes
    );
    site.look_at_all_pages();

    let circle = format!("Circle-Token: {token}");
    let list = format!("{PUBLIC_URL}/api/v1.1/project/{PROJECT}/1/artifacts");
    let listed = site.curl(&["-H", &circle, &list]).is(200).json();
    check_addresses(&listed);
    let url = listed[0]["url"].as_str().unwrap();
    assert!(site.curl(&["-L", "-H", &circle, url]).is(200).body == bytes);
    let part = site
        .curl(&["-L", "-H", &circle, "-r", "1000000-1999999", url])
        .is(206);
    assert!(part.body == bytes[1_000_000..2_000_000]);

    let bearer = format!("Authorization: Bearer {token}");
    let list = format!("{PUBLIC_URL}/v2/organizations/acme/pipelines/demo/builds/1/artifacts");
    let listed = site.curl(&["-H", &bearer, &list]).is(200).json();
    check_addresses(&listed);
    let url = listed[0]["download_url"].as_str().unwrap();
    let link = site.curl(&["-H", &bearer, url]).is(302);
    assert!(link.location.starts_with(PUBLIC_URL), "{}", link.location);
    assert!(site.curl(&["-L", "-H", &bearer, url]).is(200).body == bytes);
    check_addresses(
        &site
            .curl(&["-H", &bearer, &format!("{PUBLIC_URL}/v2/builds")])
            .is(200)
            .json(),
    );

    // Who is signed in may follow the address of a file in a browser; who is not is asked to, and led back.
    let address = format!("{PUBLIC_URL}/gh/acme/demo/1/artifacts/0/dist/app.bin");
    assert!(site.browse(&["-L", &address]).is(200).body == bytes);
    let navigates = ["-H", "Sec-Fetch-Mode: navigate", &address];
    let asked = site.curl(&navigates).is(302);
    let to = "/larder/sign-in?to=/gh/acme/demo/1/artifacts/0/dist/app.bin";
    assert_eq!(asked.location, to);
    // The client's own words about the way are not believed.
    site.curl(&[
        "-H",
        "X-Forwarded-Prefix: /other",
        &format!("{PUBLIC_URL}/healthz"),
    ])
    .is(200);
    assert!(
        !site.server.stderr().contains("ERROR"),
        "{}",
        site.server.stderr()
    );
}

/// nginx, a larder behind it, and a folder for both.
struct Site {
    store: Store,
    server: ServeProcess,
    nginx: Child,
    port: u16,
    certificate: PathBuf,
    /// The larder's own address, whose port everybody can reach; nobody comes from a trusted proxy here.
    stranger: String,
}

/// What curl saw last.
#[derive(Debug)]
struct Seen {
    status: u16,
    location: String,
    cookies: String,
    body: Vec<u8>,
}

/// A job with the token that uploads for it.
struct RunningJob {
    id: String,
    token: String,
}

impl Site {
    fn start(
        configuration: &str,
        more: impl FnOnce(crate::support::Serve) -> crate::support::Serve,
    ) -> Self {
        let store = Store::new();
        // nginx speaks from 127.0.0.1; whoever comes from another address of the loopback device is a stranger.
        let serve = store
            .serve()
            .argument("--public-url")
            .argument(PUBLIC_URL)
            .variable("LARDER__TRUSTED_PROXIES", "127.0.0.1");
        let server = more(serve).start();
        let folder = store.beside("nginx");
        std::fs::create_dir(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["ci.example".to_owned()]).unwrap();
        let certificate = folder.join("cert.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let (port, sso) = (free_port(), free_port());
        let site = replaced(
            configuration,
            "listen 443 ssl",
            &format!("listen 127.0.0.1:{port} ssl"),
        );
        let site = replaced(&site, "127.0.0.1:7878", &server.address().to_string());
        let site = replaced(
            &site,
            "/etc/nginx/ci.example.pem",
            certificate.to_str().unwrap(),
        );
        let key = folder.join("key.pem");
        let site = replaced(&site, "/etc/nginx/ci.example.key", key.to_str().unwrap());
        let site = site.replace("127.0.0.1:4180", &format!("127.0.0.1:{sso}"));
        std::fs::write(folder.join("larder.conf"), site).unwrap();
        std::fs::write(folder.join("nginx.conf"), around(&folder, sso)).unwrap();
        let nginx = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stranger = server.address().to_string();
        let site = Self {
            store,
            server,
            nginx,
            port,
            certificate,
            stranger,
        };
        wait_for("nginx", PATIENCE, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        site
    }

    /// Runs curl, which finds the name of the site at the port of the test.
    fn curl(&self, arguments: &[&str]) -> Seen {
        let (head, body) = (self.store.beside("head"), self.store.beside("body"));
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "60", "--connect-to"])
            .arg(format!("ci.example:443:127.0.0.1:{}", self.port))
            .arg("--cacert")
            .arg(&self.certificate)
            .arg("-D")
            .arg(&head)
            .arg("-o")
            .arg(&body);
        let is_around = arguments
            .iter()
            .any(|argument| argument.contains(&self.stranger));
        if is_around {
            curl.args(["--interface", "127.0.0.9"]);
        }
        let _ = std::fs::remove_file(&body);
        output_within(PATIENCE, curl.args(arguments)).is(0);
        let heads = std::fs::read_to_string(head).unwrap();
        let last = heads.trim_end().rsplit("\r\n\r\n").next().unwrap();
        let values = |name: &str| -> Vec<String> {
            let lines = last.lines().filter_map(|line| line.split_once(": "));
            lines
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
                .collect()
        };
        Seen {
            status: last.split(' ').nth(1).unwrap().parse().unwrap(),
            location: values("location").concat(),
            cookies: values("set-cookie").concat(),
            body: std::fs::read(body).unwrap_or_default(),
        }
    }

    /// The same with the cookies of one browser.
    fn browse(&self, arguments: &[&str]) -> Seen {
        let jar = self.store.beside("jar");
        let jar = jar.to_str().unwrap();
        self.curl(&[&["-b", jar, "-c", jar], arguments].concat())
    }

    fn sign_in(&self) {
        let link = wait_for("the link", PATIENCE, || {
            let said = self.server.stderr();
            let line = said.lines().find(|line| line.contains("/sign-in/"))?;
            Some(line.trim().to_owned())
        });
        assert!(link.starts_with(PUBLIC_URL), "{link}");
        let page = self.browse(&[&link]).is(200);
        let path = link.strip_prefix("https://ci.example").unwrap();
        assert!(
            page.text().contains(&format!("action=\"{path}\"")),
            "{}",
            page.text()
        );
        let signed_in = self
            .browse(&["-d", "", "-H", "Origin: https://ci.example", &link])
            .is(303);
        assert_eq!(signed_in.location, "/larder/");
        let cookie = &signed_in.cookies;
        assert!(cookie.starts_with("__Host-larder_session="), "{cookie}");
        assert!(
            cookie.contains("Secure") && cookie.contains("Path=/;"),
            "{cookie}"
        );
        let home = self.browse(&["-L", "https://ci.example/larder"]).is(200);
        assert!(home.text().contains("Sign out"), "{}", home.text());
    }

    /// A token that may do everything, and a job of a new build.
    fn job(&self) -> (String, RunningJob) {
        let token = self.server.token();
        let bearer = format!("Authorization: Bearer {token}");
        let body = json!({"branch": "main", "jobs": [{"name": "build"}]}).to_string();
        let address = format!("{PUBLIC_URL}/larder/v1/projects/{PROJECT}/builds");
        let build = self
            .curl(&["-H", &bearer, "-d", &body, &address])
            .is(201)
            .json();
        check_addresses(&build);
        let job = &build["jobs"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let job = RunningJob {
            id: text(&job["id"]),
            token: text(&job["token"]),
        };
        (token, job)
    }

    /// Sends a file as documents say and ends its job; gives the address at which the file is.
    fn upload(&self, job: &RunningJob, bytes: &[u8]) -> String {
        let file = self.store.beside("app.bin");
        std::fs::write(&file, bytes).unwrap();
        let bearer = format!("Authorization: Bearer {}", job.token);
        let address = format!(
            "{PUBLIC_URL}/larder/v1/jobs/{}/artifacts/dist/app.bin",
            job.id
        );
        let kept = self
            .curl(&["-H", &bearer, "-T", file.to_str().unwrap(), &address])
            .is(201);
        if !kept.location.is_empty() {
            let under = [PUBLIC_URL, "/larder/"];
            assert!(
                under.iter().any(|base| kept.location.starts_with(base)),
                "{}",
                kept.location
            );
        }
        let kept = kept.json();
        assert_eq!(kept["size"], bytes.len());
        check_addresses(&kept);
        let end = format!("{PUBLIC_URL}/larder/v1/jobs/{}", job.id);
        let passed = r#"{"state":"passed"}"#;
        self.curl(&["-X", "PATCH", "-H", &bearer, "-d", passed, &end])
            .is(200);
        format!("{PUBLIC_URL}/api/v1.1/project/{PROJECT}/1/artifacts/0/dist/app.bin")
    }

    /// Follows every link of every page, from the first one on. Each stays under the path and leads to something.
    fn look_at_all_pages(&self) {
        let mut waiting = vec!["/larder/".to_owned()];
        let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
        while let Some(path) = waiting.pop() {
            assert!(seen.len() < PAGES_MAX, "{seen:?}");
            let page = self
                .browse(&["-L", &format!("https://ci.example{path}")])
                .is(200);
            let Ok(text) = std::str::from_utf8(&page.body) else {
                continue;
            };
            if !text.starts_with("<!doctype html>") {
                continue;
            }
            for (attribute, address) in addresses_of(text) {
                let here = address
                    .strip_prefix("https://ci.example")
                    .unwrap_or(&address);
                if here.starts_with('#') || here.starts_with('?') || here.starts_with("data:") {
                    continue;
                }
                assert!(
                    here.starts_with("/larder/"),
                    "{path}: {attribute}=\"{address}\""
                );
                let here = here
                    .split('#')
                    .next()
                    .unwrap()
                    .replace("&amp;", "&")
                    .replace("&#38;", "&");
                if attribute != "action" && seen.insert(here.clone()) {
                    waiting.push(here);
                }
            }
        }
        for expected in ["/larder/assets/larder.css", "/larder/settings/tokens"] {
            assert!(seen.contains(expected), "{seen:?}");
        }
        let files = seen.iter().filter(|path| path.ends_with("/app.bin"));
        assert!(files.count() > 0, "no page leads to the file: {seen:?}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // TERM and not KILL, so that its workers end with it.
        let _ = Command::new("kill")
            .arg(self.nginx.id().to_string())
            .status();
        let _ = self.nginx.wait();
        if std::thread::panicking() {
            let log = self.store.beside("nginx/error.log");
            eprintln!(
                "nginx said:\n{}",
                std::fs::read_to_string(log).unwrap_or_default()
            );
        }
    }
}

impl Seen {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {}", self.location, self.text());
        self
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }
}

/// What stands around the file of the site, and a stand-in for oauth2-proxy: cookies say who somebody is.
fn around(folder: &Path, sso: u16) -> String {
    let folder = folder.display();
    format!(
        r#"daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/larder.conf;
    server {{
        listen 127.0.0.1:{sso};
        location = /oauth2/auth {{
            if ($cookie_sso = "") {{ return 401; }}
            add_header X-Auth-Request-User $cookie_sso always;
            add_header X-Auth-Request-Groups $cookie_groups always;
            return 202;
        }}
    }}
}}
"#
    )
}

/// The text with the one place of `from` replaced.
#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the configuration");
    let lines = text.lines().map(|line| {
        if line.trim_start().starts_with('#') {
            line.to_owned()
        } else {
            line.replace(from, to)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Every address of the site in an API's answer is under the path.
#[track_caller]
fn check_addresses(answer: &Value) {
    match answer {
        Value::String(text) => assert!(
            !text.contains("ci.example") && !text.contains("127.0.0.1")
                || text.starts_with(&format!("{PUBLIC_URL}/")),
            "{text}"
        ),
        Value::Array(values) => values.iter().for_each(check_addresses),
        Value::Object(members) => members.values().for_each(check_addresses),
        _ => {}
    }
}

/// What a page's attributes lead to.
fn addresses_of(page: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for attribute in ["href", "src", "action", "formaction"] {
        for part in page.split(&format!(" {attribute}=\"")).skip(1) {
            let address = part.split('"').next().unwrap_or_default();
            found.push((attribute, address.to_owned()));
        }
    }
    found
}
