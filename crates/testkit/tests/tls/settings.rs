//! Settings of TLS that are wrong: each is told with the setting's name and the file.

use tricast_server::{Server, Settings, SettingsSource};
use tricast_testkit::Certificate;

fn load(flags: &[(&str, &str)]) -> Result<Settings, String> {
    let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let listen = ("server.listen".to_owned(), "127.0.0.1:0".to_owned());
    let source = SettingsSource { file: None, env: Vec::new(), flags: flags.chain([listen]).collect() };
    Settings::load(&source).map_err(|mistakes| format!("{mistakes:?}"))
}

#[test]
fn one_goes_with_the_other() {
    for (given, missing) in [("tls.certificate", "tls.key"), ("tls.key", "tls.certificate")] {
        let told = load(&[(given, "/some/file.pem")]).unwrap_err();
        assert!(told.contains(missing) && told.contains(given), "{told}");
    }
}

#[test]
fn a_file_that_is_not_as_it_should_be() {
    let (good, other) = (Certificate::make(), Certificate::make());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("text"), "no certificate\n").unwrap();
    std::fs::write(path("torn"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let (certificate, key) = (good.certificate(), good.key());
    for (certificate, key, setting) in [
        (path("missing"), key.clone(), "tls.certificate"),
        (path("text"), key.clone(), "tls.certificate"),
        (path("torn"), key.clone(), "tls.certificate"),
        // The two in place of each other.
        (key.clone(), certificate.clone(), "tls.certificate"),
        (certificate.clone(), path("missing"), "tls.key"),
        (certificate.clone(), path("text"), "tls.key"),
        (certificate.clone(), certificate.clone(), "tls.key"),
        (certificate.clone(), other.key(), "tls.key"),
    ] {
        let texts = [certificate.to_str().unwrap(), key.to_str().unwrap()];
        let settings = load(&[("tls.certificate", texts[0]), ("tls.key", texts[1])]).unwrap();
        let bound = tricast_server::block_on(async { Server::bind(settings, None).map(|_| ()) });
        let told = bound.unwrap_err().to_string();
        let file = if setting == "tls.key" { texts[1] } else { texts[0] };
        assert!(told.starts_with(&format!("{setting}: {file}: ")), "{told}");
    }
}
