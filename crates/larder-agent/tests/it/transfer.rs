//! Uploads and downloads outside of a run.

use crate::fake::{Fake, Job};
use larder_agent::artifacts::{
    ArtifactSource, DownloadOptions, Holder, UploadOptions, download, upload,
};
use larder_agent::server::{Server, ServerAddress};
use std::fs;
use std::path::Path;

pub(crate) const JOB: &str = "a-job";
const TOKEN: &str = "token-of-a-job";

async fn fake_with_job() -> (Fake, Server) {
    let fake = Fake::start().await;
    let job = Job {
        token: TOKEN.to_owned(),
        ..Job::default()
    };
    fake.state.lock().unwrap().jobs.insert(JOB.to_owned(), job);
    let address = ServerAddress {
        url: fake.url.clone(),
        token: TOKEN.to_owned(),
        ca_pem: None,
    };
    (fake, Server::new(&address).unwrap())
}

fn upload_of(server: &Server, base: &Path, patterns: &[&str]) -> UploadOptions {
    UploadOptions::new(server.clone(), JOB, base, patterns)
}

pub(crate) fn download_of(server: &Server, target: &Path, queries: &[&str]) -> DownloadOptions {
    DownloadOptions {
        server: server.clone(),
        source: ArtifactSource {
            holder: Holder::Job(JOB.to_owned()),
            job_name: None,
            node: None,
        },
        queries: queries.iter().map(|query| (*query).to_owned()).collect(),
        strip: None,
        per_job: false,
        target: target.to_owned(),
    }
}

pub(crate) async fn uploads_and_downloads_are_each_others_inverse() {
    let (_fake, server) = fake_with_job().await;
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "a",
        "b c (1),{x}.txt",
        "d/é!.bin",
        "d/e/100%+#?.txt",
        "d/empty",
    ];
    for (place, name) in names.iter().enumerate() {
        let path = folder.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![u8::try_from(place).unwrap(); place * 100_000]).unwrap();
    }
    fs::write(folder.path().join("in/d/empty"), "").unwrap();
    let summary = upload(
        upload_of(&server, &folder.path().join("in"), &["."]),
        |_| {},
    )
    .await
    .unwrap();
    assert_eq!(summary.files.len(), names.len());
    assert!(summary.problems.is_empty() && summary.warnings.is_empty());

    let target = folder.path().join("out");
    let options = |queries: &[&str]| download_of(&server, &target, queries);
    let summary = download(options(&["d"]), |_| {}).await.unwrap();
    assert_eq!(summary.files.len(), 3);
    assert!(!target.join("a").exists());
    let summary = download(options(&[]), |_| {}).await.unwrap();
    assert_eq!(summary.files.len(), names.len());
    for name in names {
        let [before, after] =
            ["in", "out"].map(|side| fs::read(folder.path().join(side).join(name)).unwrap());
        assert!(before == after, "{name}");
    }
    let error = download(options(&["nothing/**"]), |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

pub(crate) async fn a_hostile_list_writes_nothing_outside() {
    let (fake, server) = fake_with_job().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("fine"), "fine").unwrap();
    upload(upload_of(&server, folder.path(), &["fine"]), |_| {})
        .await
        .unwrap();
    let target = folder.path().join("deep/target");
    {
        let mut state = fake.state.lock().unwrap();
        let fine = state.jobs[JOB].artifacts[0].body.clone();
        for path in ["../../escaped", "/etc/larder-escaped", "a/../../../escaped"] {
            state.extra.push(larder_protocol::ArtifactBody {
                path: path.to_owned(),
                ..fine.clone()
            });
        }
        let damaged = larder_protocol::ArtifactBody {
            path: "damaged".into(),
            sha256: Some("0".repeat(64)),
            ..fine
        };
        state.extra.push(damaged);
    }
    let options = download_of(&server, &target, &[]);
    let summary = download(options, |_| {}).await.unwrap();
    assert_eq!(summary.files.len(), 1);
    assert_eq!(summary.problems.len(), 4, "{:?}", summary.problems);
    assert!(!folder.path().join("escaped").exists() && !Path::new("/etc/larder-escaped").exists());
    let names: Vec<_> = fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        ["fine"],
        "neither a damaged file nor a part of one stays"
    );
}

pub(crate) async fn a_file_that_is_refused_does_not_stop_the_others() {
    let (fake, server) = fake_with_job().await;
    fake.state.lock().unwrap().refused.push("b".to_owned());
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    fs::write(folder.path().join("large"), "0123456789").unwrap();
    let mut options = upload_of(&server, folder.path(), &["*"]);
    options.file_bytes_max = 9;
    let summary = upload(options, |_| {}).await.unwrap();
    assert_eq!(summary.files.len(), 2);
    let problems = summary.problems.join("\n");
    assert!(
        problems.contains("upload b: the server refused (400): the fake says bad_path"),
        "{problems}"
    );
    assert!(
        problems.contains("large: larger than 9 bytes"),
        "{problems}"
    );
}
