//! The services of `deploy/compose.yaml` fit together, and the settings of the larder among them exist.

use crate::{root, text, yaml};
use larder_server::config::Config;
use serde_json::Value;

#[test]
fn every_setting_of_the_compose_file_is_one_of_the_server() {
    let known = Config::variables();
    let services = yaml::parse(&text("deploy/compose.yaml"))["services"].take();
    let settings = services["larder"]["environment"].as_object().unwrap();
    for name in settings.keys() {
        assert!(known.contains(name), "{name} is no setting");
    }
    for name in [
        "LARDER__DATABASE__URL",
        "LARDER__BLOBS__URL",
        "LARDER__PUBLIC_URL",
    ] {
        assert!(settings.contains_key(name), "{name} is not set");
    }
}

#[test]
fn the_services_of_the_compose_file_fit_together() {
    let compose = yaml::parse(&text("deploy/compose.yaml"));
    let services = compose["services"].as_object().unwrap();
    let folder = root().join("deploy");
    for (name, service) in services {
        for needed in service["depends_on"].as_object().into_iter().flatten() {
            assert!(services.contains_key(needed.0), "{name} needs {}", needed.0);
        }
        for volume in service["volumes"].as_array().unwrap() {
            let (source, _) = volume.as_str().unwrap().split_once(':').unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(file) => folder.join(file).is_file(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(is_there, "{name}: {source} is not there");
        }
    }
    let larder = &services["larder"];
    let build = &larder["build"];
    let context = folder.join(build["context"].as_str().unwrap());
    let file = context.join(build["dockerfile"].as_str().unwrap());
    assert!(file.is_file(), "{}", file.display());
    let text = |name: &str| match &larder["environment"][name] {
        Value::String(text) => text.clone(),
        other => panic!("{name}: {other}"),
    };
    // Hosts of other services are called as these are.
    assert!(text("LARDER__DATABASE__URL").contains("@postgres/"));
    let garage = crate::text("deploy/garage.toml")
        .parse::<toml::Table>()
        .unwrap();
    let api = garage["s3_api"].as_table().unwrap();
    assert_eq!(
        api["s3_region"].as_str().unwrap(),
        text("LARDER__BLOBS__REGION")
    );
    let bound = api["api_bind_addr"].as_str().unwrap();
    let (_, port) = bound.rsplit_once(':').unwrap();
    let endpoint = format!("http://garage:{port}");
    assert_eq!(text("LARDER__BLOBS__ENDPOINT"), endpoint);
}
