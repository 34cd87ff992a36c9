//! The documents' own recipe for downloading all artifacts of a build, run as it is written: only host, names and token
//! are replaced.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PATIENCE, PROJECT, ServeProcess, Store, larder, output_within};

/// The page that holds the recipe.
const PAGE: &str = include_str!("../../../../tests/fixtures/source-documents/000.txt");
const SAMPLE: &str = include_str!("../../../../samples/artifacts.yml");

#[test]
#[ignore = "needs curl and wget"]
fn the_documents_recipe_downloads_what_the_documents_sample_made() {
    let store = Store::new();
    let (server, ca) = serve_with_tls(&store);
    let token = server.token();
    let number = run_sample(&store, &server, &token, &ca);
    let script = recipe()
        .replace("https://circleci.com", &server.url)
        .replace(":vcs-type/:username/:project", PROJECT)
        .replace(":build_num", &number.to_string())
        .replace(":your_token", &token);
    println!("{script}");

    let folder = store.beside("downloads");
    std::fs::create_dir(&folder).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-e", "-o", "pipefail", "-c", &script])
        .current_dir(&folder);
    // The certificate is the test's own, so both programs are told by their settings whom to trust.
    std::fs::write(
        store.beside("wgetrc"),
        format!("ca_certificate = {}\n", ca.display()),
    )
    .unwrap();
    bash.env("CURL_CA_BUNDLE", &ca)
        .env("WGETRC", store.beside("wgetrc"));
    bash.env("HOME", &folder).env("no_proxy", "*");
    output_within(PATIENCE, &mut bash).is(0);

    let saved =
        |name: &str| std::fs::read_to_string(folder.join(format!("{name}?circle-token={token}")));
    assert_eq!(saved("artifact-file").unwrap(), "my artifact file\n");
    assert_eq!(saved("artifact-2").unwrap(), "my artifact files in a dir\n");
    let listed = std::fs::read_to_string(folder.join("artifacts.txt")).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.lines().all(|line| line.starts_with(&server.url)),
        "{listed}"
    );
}

/// The three commands of the page, from their fence.
fn recipe() -> String {
    let (_, from_export) = PAGE.split_once("```export CIRCLE_TOKEN=").unwrap();
    let (commands, _) = from_export.split_once("```").unwrap();
    // On the page, the quotation mark that begins the value is never ended.
    let (value, rest) = commands.split_once('\n').unwrap();
    let end = if value.matches('\'').count() == 1 {
        "'"
    } else {
        ""
    };
    format!("export CIRCLE_TOKEN={value}{end}\n{rest}")
}

/// A server with a certificate for its address, and the file of the certificate.
fn serve_with_tls(store: &Store) -> (ServeProcess, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (store.beside("cert.pem"), store.beside("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let serve = store
        .serve()
        .argument("--tls-cert")
        .argument(&cert)
        .argument("--tls-key")
        .argument(&key);
    (serve.start(), cert)
}

/// Runs the page's sample; gives the number of its job.
fn run_sample(store: &Store, server: &ServeProcess, token: &str, ca: &Path) -> u64 {
    let config = store.beside("config.yml");
    std::fs::write(&config, SAMPLE).unwrap();
    let mut run = larder(&[
        "run",
        config.to_str().unwrap(),
        "--project",
        PROJECT,
        "--ca",
    ]);
    run.arg(ca).current_dir(config.parent().unwrap());
    run.env("LARDER_URL", &server.url)
        .env("LARDER_TOKEN", token);
    output_within(PATIENCE, &mut run).is(0);
    // The first job of a store.
    1
}
