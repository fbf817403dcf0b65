//! Keys that are kept, and the issuer's form.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

fn kept_in(folder: &Path) -> Seed {
    Seed::from_text(&folder.join("pool.toml"), "[pool]\nstate_dir = \"state\"\n").unwrap()
}

fn pool(seed: Seed) -> Arc<Pool> {
    Pool::new(seed, "http://127.0.0.1:1", None).unwrap()
}

#[test]
fn kept_keys_are_the_same_at_the_next_start_and_only_their_owners() {
    let folder = tempfile::tempdir().unwrap();
    let first = pool(kept_in(folder.path()));
    let document = first.state().keys.document();
    assert_eq!(pool(kept_in(folder.path())).state().keys.document(), document);

    let file = folder.path().join("state/local_devpool1.keys.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);

    // What the one signs, the other verifies.
    let claims = Map::from_iter([("a".to_owned(), json!(1))]);
    let token = first.state().keys.id.sign(&claims).unwrap();
    assert_eq!(pool(kept_in(folder.path())).state().keys.open(&token), Some(claims));
}

#[test]
fn keys_that_others_may_read_or_that_are_none_are_refused_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    drop(pool(kept_in(folder.path())));
    let file = folder.path().join("state/local_devpool1.keys.json");
    let told = || {
        let error = Pool::new(kept_in(folder.path()), "http://127.0.0.1:1", None).err().unwrap();
        error.to_string()
    };
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        told().contains("local_devpool1.keys.json: others may read it (mode 644); chmod 600"),
        "{}",
        told()
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    for wrong in
        ["", "{}", "{\"id\":{\"kid\":\"a\",\"pkcs8\":\"AAAA\"},\"access\":{\"kid\":\"b\",\"pkcs8\":\"\"}}"]
    {
        std::fs::write(&file, wrong).unwrap();
        assert!(told().contains("local_devpool1.keys.json: "), "{}", told());
    }
}

#[test]
fn rotated_keys_are_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    serve(kept_in(folder.path()), async |it: Served| {
        it.dev("rotate", json!({ "keep": false })).await;
        let now = it.pool.state().keys.document();
        assert_eq!(pool(kept_in(&path)).state().keys.document(), now);
    });
}

#[test]
fn the_form_of_awss_issuer_needs_its_flag_and_changes_no_address() {
    let shaped = "[pool]\nid = \"eu-central-1_AbCdEf123\"\naws_issuer = true\n";
    serve(seed(shaped), async |it: Served| {
        let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
        let document =
            it.browser().get("/eu-central-1_AbCdEf123/.well-known/openid-configuration").await.json();
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["jwks_uri"], format!("{}/eu-central-1_AbCdEf123/.well-known/jwks.json", it.url));
        assert_eq!((it.pool.issuer(), it.pool.served_at().starts_with(&it.url)), (issuer, true));
        assert_eq!(claims(it.tokens("viewer").await["access_token"].as_str().unwrap())["iss"], issuer);
    });
    // Without the flag, a pool of that id has its own address as issuer.
    let plain = pool(seed("[pool]\nid = \"eu-central-1_AbCdEf123\"\n"));
    assert_eq!(plain.issuer(), "http://127.0.0.1:1/eu-central-1_AbCdEf123");
}

#[test]
fn a_pool_is_at_no_address_of_amazons() {
    for url in [
        "https://cognito-idp.eu-central-1.amazonaws.com",
        "https://issuer-cognito-idp.eu-central-1.amazonaws.com",
        "https://x.auth.eu-central-1.AmazonCognito.com",
        "https://cognito-idp.cn-north-1.amazonaws.com.cn",
    ] {
        for text in ["", "[pool]\nid = \"eu-central-1_AbCdEf123\"\naws_issuer = true\n"] {
            let error = Pool::new(seed(text), url, None).err().unwrap();
            assert!(matches!(error, PoolError::RealIssuer(_)), "{url}");
            assert!(error.to_string().contains("aws_issuer = true"));
        }
    }
}
