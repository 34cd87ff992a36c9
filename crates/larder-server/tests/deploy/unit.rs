//! The unit is one that systemd takes, keeps the server in its place, and lets it drain.

use crate::text;
use larder_server::config::Config;
use std::collections::BTreeMap;
use std::process::Command;

/// How far open a service may be, of 100; ten times of it is systemd's "medium".
const EXPOSURE_MAX: &str = "15";

fn settings() -> BTreeMap<String, String> {
    let unit = text("deploy/larder.service");
    let lines = unit.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_unit_shuts_the_server_in_and_lets_it_drain() {
    let settings = settings();
    for (key, value) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallArchitectures", "native"),
        ("StateDirectory", "larder"),
        ("UMask", "0077"),
        ("KillSignal", "SIGTERM"),
    ] {
        assert_eq!(settings.get(key).map(String::as_str), Some(value), "{key}");
    }
    let stop = settings["TimeoutStopSec"].strip_suffix('s').unwrap();
    let drain = Config::default().limits.drain_timeout_s;
    assert!(stop.parse::<u64>().unwrap() > drain + 10, "{stop}");
    let files: u64 = settings["LimitNOFILE"].parse().unwrap();
    assert!(
        files > 2 * Config::default().limits.max_connections,
        "{files}"
    );
    let start = &settings["ExecStart"];
    assert!(start.contains("serve --data /var/lib/larder "), "{start}");
}

/// Where systemd is not installed, the test above has read the keys.
#[test]
fn systemd_takes_the_unit_and_finds_it_well_shut() {
    let is_installed = Command::new("systemd-analyze").arg("--version").output();
    if is_installed.is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("larder.service");
    // The program is not installed on the machine of a test.
    let text = text("deploy/larder.service").replace("/usr/local/bin/larder ", "/bin/true ");
    std::fs::write(&unit, text).unwrap();
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    for arguments in [&["verify"][..], &["security", "--offline=true", &threshold]] {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{found}");
        assert_eq!(said, "", "{arguments:?}");
    }
}
