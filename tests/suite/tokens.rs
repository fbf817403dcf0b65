//! Section I: only the pool's own token for this client and this login says who somebody is. The pool answers
//! the callback with each crafted token, and the same one is sent as a bearer token; what is asked is that nobody
//! comes in by it on either way.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use crate::bearer;
use crate::cookies::shape;
use crate::corpus::{Case, case};
use crate::login::{login, short_lived, wait_until_due};
use crate::support::pool::{CLIENT_ID, CLIENT_SECRET, Endpoint, FakePool, User};
use crate::support::token::{Key, Mint, Use, b64, jwk, kid, random};
use crate::support::upstream::Recorder;
use crate::support::wire::Wire;
use crate::support::world::{Setup, World};

/// Reasons of a token that is none.
const NO_TOKEN: &[&str] = &["token_malformed", "no_id_token", "token_header", "token_algorithm"];

pub fn cases() -> Vec<Case> {
    vec![
        case(&["TOK-01"], |world| {
            for value in [json!("access"), json!("refresh"), json!("ID"), json!(["id"]), Value::Null] {
                refuse_at_login(Use::Id, world, &["token_use"], move |mint| {
                    mint.claim("token_use", value.clone())
                });
            }
            refuse_at_login(Use::Id, world, &["token_use"], |mint| mint.without("token_use"));
            // The two whole tokens in each other's place.
            world.pool.tamper_answer(|answer| answer["id_token"] = answer["access_token"].clone());
            login(world, "user").must_fail(world, 502, &["token_use"]);
            world.pool.tamper_answer(|answer| answer["access_token"] = answer["id_token"].clone());
            login(world, "user").must_fail(world, 502, &["token_use", "token_at_hash"]);
            world.pool.be_honest();
            refuse_at_login(Use::Access, world, &["token_use"], |mint| mint.claim("token_use", "id"));
        }),
        case(&["TOK-02"], a_token_in_the_others_place_does_not_count),
        case(&["TOK-03"], |world| {
            for raw in [
                random(96),
                "a.b".into(),
                "a.b.c".into(),
                "a.b.c.d.e".into(),
                "..".into(),
                ".....".into(),
                ".".into(),
                "a..c".into(),
                " ".into(),
                "null".into(),
                "e30.e30.".into(),
                "e30.e30.AAAA".into(),
                "\u{0}.\u{0}.\u{0}".into(),
                "ü.ü.ü".into(),
            ] {
                let id = raw.clone();
                refuse_id(world, NO_TOKEN, move |mint| mint.raw = Some(id.clone()));
                refuse_access(
                    world,
                    &["token_malformed", "token_header", "token_algorithm", "token_at_hash"],
                    move |mint| {
                        mint.raw = Some(raw.clone());
                    },
                );
            }
        }),
        case(&["TOK-04"], |world| {
            let algorithms = [
                json!("none"),
                json!("None"),
                json!("nOnE"),
                json!(""),
                Value::Null,
                json!(["RS256"]),
                json!({"RS256": true}),
                json!("rs256"),
                json!(" RS256"),
                json!(256),
            ];
            for alg in algorithms {
                for key in [Key::Nothing, Key::ForId] {
                    let alg = alg.clone();
                    refuse_id(world, NO_TOKEN, move |mint| {
                        mint.header.insert("alg".into(), alg.clone());
                        mint.key = key.clone();
                    });
                }
            }
            refuse_id(world, NO_TOKEN, |mint| drop(mint.header.remove("alg")));
            let twice = format!(r#"{{"alg":"RS256","kid":"{}","alg":"none"}}"#, kid(&Key::ForId));
            refuse_id(world, NO_TOKEN, move |mint| mint.raw_header = Some(twice.clone().into_bytes()));
        }),
        case(&["TOK-06"], |world| {
            let modulus = jwk(&Key::ForId)["n"].as_str().unwrap().to_owned();
            let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&modulus).unwrap();
            for secret in [
                CLIENT_SECRET.as_bytes().to_vec(),
                Vec::new(),
                CLIENT_ID.as_bytes().to_vec(),
                modulus.into_bytes(),
                decoded,
                jwk(&Key::ForId).to_string().into_bytes(),
                b"null".to_vec(),
            ] {
                for alg in ["HS256", "HS512", "RS256"] {
                    let secret = secret.clone();
                    refuse_id(world, &["token_algorithm", "token_signature"], move |mint| {
                        mint.header.insert("alg".into(), json!(alg));
                        mint.key = Key::Hmac(secret.clone());
                    });
                }
            }
        }),
        case(&["TOK-07"], |world| {
            for alg in ["RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES256K", "EdDSA", "Ed25519"] {
                for key in [Key::ForId, Key::Foreign, Key::Bytes(vec![7; 64])] {
                    refuse_id(world, &["token_algorithm"], move |mint| {
                        mint.header.insert("alg".into(), json!(alg));
                        mint.key = key.clone();
                    });
                }
            }
            refuse_id(world, &["token_unknown_key"], |mint| {
                mint.header.insert("kid".into(), json!(kid(&Key::Foreign)));
                mint.key = Key::Foreign;
            });
            refuse_id(world, &["token_signature"], |mint| mint.key = Key::Foreign);
            refuse_id(world, &["token_signature"], |mint| mint.key = Key::ForAccess);
        }),
        case(&["TOK-08"], |world| {
            let attacker = Recorder::start();
            let address = format!("http://{}/keys", attacker.address);
            let own = jwk(&Key::Foreign);
            for (name, value) in [
                ("jwk", own.clone()),
                ("jku", json!(address)),
                ("jku", json!(format!("{}/evil.json", world.pool.origin()))),
                ("x5u", json!(address)),
                ("x5c", json!([b64("certificate")])),
            ] {
                for (key, id) in [
                    (Key::Foreign, kid(&Key::Foreign)),
                    (Key::Foreign, kid(&Key::ForId)),
                    (Key::ForId, kid(&Key::ForId)),
                ] {
                    let (name, value) = (name.to_owned(), value.clone());
                    refuse_id(world, &["token_header", "token_unknown_key"], move |mint| {
                        mint.header.insert(name.clone(), value.clone());
                        mint.header.insert("kid".into(), json!(id));
                        mint.key = key.clone();
                    });
                }
            }
            assert_eq!(attacker.bytes_since(Default::default()), 0, "the attacker's address was asked");
            assert_eq!(world.pool.count(Endpoint::Other), 0);
        }),
        case(&["TOK-09"], |world| {
            for value in [
                json!("../../dev/null"),
                json!("'; DROP TABLE keys; --"),
                json!("\u{0}"),
                json!(format!("{}\u{0}", kid(&Key::ForId))),
                json!(kid(&Key::ForId).to_lowercase()),
                json!(""),
                json!("x".repeat(1_000)),
                json!("x".repeat(20_000)),
                json!(1),
                json!([kid(&Key::ForId)]),
                json!({"kid": kid(&Key::ForId)}),
                Value::Null,
            ] {
                refuse_id(world, &["token_unknown_key", "token_header", "token_too_large"], move |mint| {
                    mint.header.insert("kid".into(), value.clone());
                });
            }
            refuse_id(world, &["token_unknown_key"], |mint| drop(mint.header.remove("kid")));
            refuse_id(world, &["pool_answer"], |mint| {
                mint.header.insert("kid".into(), json!("x".repeat(1 << 20)));
            });
        }),
        case(&["TOK-11", "TOK-12", "TOK-13"], |world| {
            for (name, value) in [
                ("crit", json!(["x"])),
                ("crit", json!([])),
                ("b64", json!(false)),
                ("b64", json!(true)),
                ("zip", json!("DEF")),
                ("cty", json!("JWT")),
                ("enc", json!("A256GCM")),
            ] {
                refuse_id(world, &["token_header"], move |mint| {
                    mint.header.insert(name.into(), value.clone());
                });
            }
            // An honest token wrapped into another's payload, and wrapped as a JWE would be.
            let inner = world.pool.mint(Use::Id, "user", |_| {});
            let nested = inner.clone();
            refuse_id(world, &["token_claims"], move |mint| mint.payload = Some(nested.clone().into_bytes()));
            let pbes2 =
                json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 1_000_000_000, "p2s": "AAAA"});
            let rsa = json!({"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF", "cty": "JWT"});
            let dir = json!({"alg": "dir", "enc": "A128CBC-HS256"});
            for header in [pbes2, rsa, dir] {
                for tail in [".AAAA.AAAA.AAAA.AAAA", "..AAAA.AAAA.AAAA", ".AAAA.AAAA"] {
                    let raw = format!("{}{tail}", b64(header.to_string()));
                    refuse_id(world, NO_TOKEN, move |mint| mint.raw = Some(raw.clone()));
                }
            }
        }),
        case(&["TOK-14"], a_signature_is_exactly_the_keys),
        case(&["TOK-16", "TOK-17"], a_time_is_a_number_and_holds_now),
        case(&["TOK-18"], |world| {
            let issuer = world.pool.issuer();
            let others = [
                format!("{issuer}/"),
                format!("{issuer}evil"),
                issuer.replace("SuitePool", "OtherPool"),
                issuer.replace("eu-central-1", "us-east-1"),
                issuer.replacen("http:", "https:", 1),
                issuer.to_uppercase(),
                issuer.replace("_SuitePool", "_suitepool"),
                format!(" {issuer}"),
                format!("{issuer}\u{0}"),
                issuer.replace("127.0.0.1", "localhost"),
                issuer.rsplit_once('/').unwrap().0.to_owned(),
                String::new(),
            ];
            let mut values: Vec<Value> = others.into_iter().map(Value::from).collect();
            values.extend([json!([issuer]), json!({"x": issuer}), Value::Null, json!(1)]);
            for value in values {
                let other = value.clone();
                refuse_id(world, &["token_issuer"], move |mint| mint.claim("iss", value.clone()));
                refuse_access(world, &["token_issuer"], move |mint| mint.claim("iss", other.clone()));
            }
            refuse_id(world, &["token_issuer"], |mint| mint.without("iss"));
        }),
        case(&["TOK-19", "TOK-21"], |world| {
            for value in [
                json!("another-client"),
                json!(""),
                json!(&CLIENT_ID[..10]),
                json!(format!("{CLIENT_ID}x")),
                json!(CLIENT_ID.to_lowercase()),
                json!([]),
                json!(["another-client"]),
                json!([[CLIENT_ID]]),
                json!({CLIENT_ID: true}),
                json!(1),
                Value::Null,
            ] {
                refuse_id(world, &["token_audience"], move |mint| mint.claim("aud", value.clone()));
            }
            refuse_id(world, &["token_audience"], |mint| mint.without("aud"));
            refuse_id(world, &["token_azp"], |mint| mint.claim("aud", json!([CLIENT_ID, "another"])));
            for party in [json!("another"), json!([CLIENT_ID]), Value::Null, json!("")] {
                let again = party.clone();
                refuse_id(world, &["token_azp"], move |mint| mint.claim("azp", party.clone()));
                refuse_id(world, &["token_azp"], move |mint| {
                    mint.claim("aud", json!(["another", CLIENT_ID]));
                    mint.claim("azp", again.clone());
                });
            }
            accept(world, |mint| {
                if mint.kind == Use::Id {
                    mint.claim("aud", json!(["another", CLIENT_ID]));
                    mint.claim("azp", CLIENT_ID);
                }
            });
            accept(world, |mint| {
                if mint.kind == Use::Id {
                    mint.claim("aud", json!([CLIENT_ID]));
                }
            });
            // Another client of the same pool.
            for value in [json!("another-client"), json!([CLIENT_ID]), json!(""), Value::Null] {
                refuse_access(world, &["token_client_id"], move |mint| {
                    mint.claim("client_id", value.clone())
                });
            }
            refuse_access(world, &["token_client_id"], |mint| mint.without("client_id"));
            refuse_access(world, &["token_client_id"], |mint| {
                mint.without("client_id");
                mint.claim("aud", CLIENT_ID);
            });
        }),
        case(&["TOK-23"], |world| {
            for value in [
                json!(""),
                json!(b64([0; 16])),
                json!(b64([0; 32])),
                json!([b64([0; 16])]),
                json!(1),
                Value::Null,
                json!("a"),
            ] {
                let other = value.clone();
                refuse_at_login(Use::Id, world, &["token_at_hash"], move |mint| {
                    mint.claim("at_hash", value.clone())
                });
                refuse_at_login(Use::Id, world, &["token_c_hash"], move |mint| {
                    mint.claim("c_hash", other.clone())
                });
            }
            accept(world, |mint| mint.without("at_hash"));
        }),
        case(&["TOK-24"], |world| {
            for value in [
                json!(""),
                json!("s".repeat(300)),
                json!(["x"]),
                json!({}),
                json!(1),
                Value::Null,
                json!(true),
            ] {
                let other = value.clone();
                refuse_id(world, &["token_subject"], move |mint| mint.claim("sub", value.clone()));
                refuse_access(world, &["token_subject"], move |mint| mint.claim("sub", other.clone()));
            }
            refuse_id(world, &["token_subject"], |mint| mint.without("sub"));
        }),
        case(&["TOK-26"], a_role_is_compared_letter_by_letter),
        case(&["TOK-27"], |_| a_role_that_users_write_themselves_is_warned_of()),
        case(&["TOK-28"], |_| no_groups_are_no_roles_soon_after()),
        case(&["TOK-29"], |world| {
            // There is no second opinion: the user info endpoint is never asked.
            login(world, "user").must_succeed(world, "user");
            assert_eq!(world.pool.count(Endpoint::Other), 0);
            // And the two tokens of one answer are about one person.
            for kind in [Use::Id, Use::Access] {
                world.pool.tamper(move |mint| {
                    if mint.kind == kind {
                        mint.claim("sub", "somebody-else");
                    }
                });
                login(world, "user").must_fail(world, 502, &["other_subject", "token_subject"]);
            }
        }),
        case(&["TOK-31"], what_is_no_json_object_is_no_token),
        case(&["TOK-32"], bearer::only_one_well_formed_header_is_a_token),
        case(&["TOK-33"], bearer::beside_a_token_no_cookie_is_read_or_set),
        case(&["TOK-34"], |world| {
            for (ahead, well) in [(0, true), (30, true), (-30, true), (600, false), (86_400 * 365, false)] {
                world.pool.set_clock(ahead);
                if well {
                    login(world, "user").must_succeed(world, "user");
                } else {
                    login(world, "user").must_fail(world, 502, &["token_not_yet"]);
                }
            }
            world.pool.set_life(300);
            world.pool.set_clock(-600);
            login(world, "user").must_fail(world, 502, &["token_expired"]);
            bearer::keys::a_pools_clock_may_differ_by_a_minute();
        }),
        case(&["TOK-22"], |_| {
            bearer::keys::a_key_of_one_issuer_verifies_no_token_of_another_that_calls_its_key_the_same();
        }),
        case(&["TOK-36"], |_| {
            bearer::keys::a_new_key_is_fetched_once_and_a_removed_ones_token_counts_no_more();
        }),
        case(&["TOK-22"], |_| crate::issuers::a_key_of_one_issuer_says_nothing_about_anothers_token()),
        case(&["TOK-22", "TOK-36", "TOK-38", "TOK-39"], |_| keys_are_the_issuers_of_today()),
        case(&["TOK-37"], |world| {
            type Wrong = fn(&mut Mint);
            let wrongs: [Wrong; 8] = [
                |mint| mint.key = Key::Foreign,
                |mint| mint.claim("exp", 1),
                |mint| mint.claim("aud", "x"),
                |mint| mint.claim("iss", "x"),
                |mint| mint.claim("nonce", "x"),
                |mint| mint.raw = Some("x".into()),
                |mint| mint.payload = Some(b"{".to_vec()),
                |mint| drop(mint.header.insert("alg".into(), json!("none"))),
            ];
            let shapes: Vec<_> = wrongs
                .into_iter()
                .map(|wrong| {
                    world.pool.tamper(move |mint| {
                        if mint.kind == Use::Id {
                            wrong(mint);
                        }
                    });
                    shape(&login(world, "user").answer)
                })
                .collect();
            assert_eq!(shapes[0].0, 502);
            assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:#?}");
            world.pool.be_honest();
            bearer::every_way_to_be_wrong_has_a_reason_of_its_own_and_the_same_answer(world);
        }),
    ]
}

/// Both ways for a token that is changed so must fail for one of these reasons.
fn refuse(kind: Use, world: &World, reasons: &[&str], change: impl Fn(&mut Mint) + Send + Sync + 'static) {
    if world.setup().tables.contains("[bearer]") {
        let token = world.pool.mint(kind, "user", &change);
        bearer::must_not_count(world, &token, reasons);
    }
    refuse_at_login(kind, world, reasons, change);
}

/// A login alone: where a bearer token is bound to nothing that an ID token of a login is bound to, or its
/// reason is another.
fn refuse_at_login(
    kind: Use,
    world: &World,
    reasons: &[&str],
    change: impl Fn(&mut Mint) + Send + Sync + 'static,
) {
    world.pool.tamper(move |mint| {
        if mint.kind == kind {
            change(mint);
        }
    });
    login(world, "user").must_fail(world, 502, reasons);
}

fn refuse_id(world: &World, reasons: &[&str], change: impl Fn(&mut Mint) + Send + Sync + 'static) {
    refuse(Use::Id, world, reasons, change);
}

fn refuse_access(world: &World, reasons: &[&str], change: impl Fn(&mut Mint) + Send + Sync + 'static) {
    refuse(Use::Access, world, reasons, change);
}

fn accept(world: &World, change: impl Fn(&mut Mint) + Send + Sync + 'static) {
    world.pool.tamper(change);
    login(world, "user").must_succeed(world, "user");
}

fn a_token_in_the_others_place_does_not_count(world: &World) {
    // Where both count, each is read as what it says it is, and lacks what that has.
    let id = |change: fn(&mut Mint)| world.pool.mint(Use::Id, "user", change);
    let access = |change: fn(&mut Mint)| world.pool.mint(Use::Access, "user", change);
    for (token, reason) in [
        (id(|mint| mint.claim("token_use", "access")), "token_client_id"),
        (access(|mint| mint.claim("token_use", "id")), "token_audience"),
        (id(|mint| mint.without("token_use")), "token_use"),
        (access(|mint| mint.without("token_use")), "token_use"),
        (id(|mint| mint.claim("token_use", json!(["id"]))), "token_use"),
        (access(|mint| mint.claim("token_use", "Access")), "token_use"),
        (access(|mint| mint.claim("token_use", "refresh")), "token_use"),
    ] {
        bearer::must_not_count(world, &token, &[reason]);
    }
    // Where one counts, the other does not, whole and honest.
    for (table, counts, does_not) in [("access", Use::Access, Use::Id), ("id", Use::Id, Use::Access)] {
        let world = Setup::bench().tables(&format!("[bearer]\ntokens = \"{table}\"")).start();
        let token = |kind| world.pool.mint(kind, "admin", |_| {});
        assert_eq!(bearer::ask(&world, "/admin", &bearer::line(&token(counts))).status, 200, "{table}");
        bearer::must_not_count(&world, &token(does_not), &["token_use"]);
    }
}

fn a_signature_is_exactly_the_keys(world: &World) {
    let wrong = &[
        "token_signature",
        "token_malformed",
        "token_claims",
        "token_header",
        "token_algorithm",
        "token_unknown_key",
    ];
    // The whole written token, changed after it was signed.
    let text = |world: &World, change: fn(&str) -> String| {
        world.pool.tamper(move |mint| {
            if mint.kind == Use::Id {
                mint.raw = Some(change(&mint.write()));
            }
        });
        login(world, "user").must_fail(world, 502, wrong);
    };
    let flip = |token: &str, part: usize, at: usize| -> String {
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&parts[part]).unwrap();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1;
        parts[part] = b64(bytes);
        parts.join(".")
    };
    for (part, at) in [(0, 3), (1, 5), (1, 9_999), (2, 0), (2, 100), (2, 255)] {
        world.pool.tamper(move |mint| {
            if mint.kind == Use::Id {
                mint.raw = Some(flip(&mint.write(), part, at));
            }
        });
        login(world, "user").must_fail(world, 502, wrong);
    }
    for change in [
        (|token: &str| token.rsplit_once('.').unwrap().0.to_owned() + ".") as fn(&str) -> String,
        |token| token.rsplit_once('.').unwrap().0.to_owned(),
        |token| token[..token.len() - 4].to_owned(),
        |token| format!("{token}AAAA"),
        |token| format!("{token}="),
        |token| format!("{token}=="),
        |token| format!("{token}\n"),
        |token| format!(" {token}"),
        |token| token.replacen('.', ".\n", 1),
        |token| token.replacen('.', "=.", 1),
        |token| format!("{token}.x"),
        |token| format!("{token}."),
        |token| format!(".{token}"),
        // The last character's unused bits.
        |token| {
            const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let last = ALPHABET.iter().position(|byte| *byte == token.as_bytes()[token.len() - 1]).unwrap();
            format!("{}{}", &token[..token.len() - 1], char::from(ALPHABET[last ^ 1]))
        },
        |token| {
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
            let padded = URL_SAFE.encode(bytes);
            format!("{signed}.{padded}")
        },
    ] {
        text(world, change);
    }
    for bytes in [
        vec![0; 256],
        vec![0; 64],
        vec![0xff; 256],
        vec![1],
        // Padding that a lax verifier takes under a small exponent (RFC 8017 §8.2.2).
        [&[0, 1][..], &[0xff; 8], &[0], &[0; 245]].concat(),
    ] {
        refuse_id(world, wrong, move |mint| mint.key = Key::Bytes(bytes.clone()));
    }
    refuse_id(world, wrong, |mint| mint.key = Key::Nothing);
}

fn a_time_is_a_number_and_holds_now(world: &World) {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let no_times = || {
        [
            json!("9999999999"),
            json!(now.to_string()),
            json!(1e300),
            json!(-1),
            json!(-1e300),
            Value::Null,
            json!([now + 600]),
            json!({}),
            json!(true),
            json!(1e12),
            json!(u64::MAX),
        ]
    };
    for name in ["exp", "iat", "nbf"] {
        for value in no_times() {
            let other = value.clone();
            refuse_id(world, &["token_time"], move |mint| mint.claim(name, value.clone()));
            refuse_access(world, &["token_time"], move |mint| mint.claim(name, other.clone()));
        }
    }
    for name in ["exp", "iat"] {
        refuse_id(world, &["token_time"], move |mint| mint.without(name));
    }
    for past in [0, 1, now - 86_400, now - 3_600, now - 63] {
        refuse_id(world, &["token_expired"], move |mint| mint.claim("exp", past));
        refuse_access(world, &["token_expired"], move |mint| mint.claim("exp", past));
    }
    for future in [now + 90, now + 86_400, 99_999_999_999] {
        refuse_id(world, &["token_not_yet"], move |mint| mint.claim("nbf", future));
        refuse_id(world, &["token_not_yet"], move |mint| mint.claim("iat", future));
    }
    // Within the leeway, as a float, and as old as its end allows.
    let id = |name: &'static str, value: Value| {
        accept(world, move |mint| {
            if mint.kind == Use::Id {
                mint.claim(name, value.clone());
            }
        });
    };
    id("exp", json!(now - 30));
    id("exp", json!((now + 600) as f64 + 0.25));
    id("iat", json!(now + 30));
    id("nbf", json!(now + 30));
    id("nbf", json!(now - 30));
    id("iat", json!(now - 365 * 86_400));
    id("iat", json!(0));
}

fn a_role_is_compared_letter_by_letter(world: &World) {
    for (index, group) in [
        "*",
        ".*",
        "adm.n",
        "admin.*",
        "$.admin",
        "^admin$",
        "adm%69n",
        "admin|user",
        "[admin]",
        "Admin",
        "/admin/",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("meta-{index}");
        world.pool.user(User::new(&name, &[group, "user"]));
        let mut browser = world.signed_in(&name);
        assert_eq!(browser.fetch("/x").status, 200, "{group}");
        assert_eq!(browser.fetch("/admin").status, 403, "{group}");
    }
    let (pool, upstream) = (FakePool::start(), Recorder::start());
    for roles in [r#"[""]"#, "[]", r#"["user", ""]"#, r#""""#] {
        let mut setup = Setup::bench();
        setup.required_roles = roles.into();
        let refused = setup.try_start_with(&pool, &upstream);
        let refused = refused.err().unwrap_or_else(|| panic!("a gate started with required_roles = {roles}"));
        assert_eq!(refused.code, Some(78), "{refused:#?}");
    }
    for rule in [
        "[[rules]]\npath = \"/y/**\"\nany_role = [\"\"]",
        "[[rules]]\npath = \"/y/**\"\nall_roles = []",
        "[[rules]]\npath = \"/y/**\"\nany_role = [\"admin\", \"\"]",
    ] {
        let refused = Setup::bench().rules(rule).try_start_with(&pool, &upstream);
        let refused = refused.err().unwrap_or_else(|| panic!("a gate started with {rule}"));
        assert_eq!(refused.code, Some(78), "{refused:#?}");
    }
    // A role that is a star in a rule is that group and no wildcard.
    let world = Setup::bench().rules("[[rules]]\npath = \"/star/**\"\nany_role = [\"*\"]").start();
    world.pool.user(User::new("star", &["*", "user"]));
    assert_eq!(world.signed_in("user").fetch("/star/x").status, 403);
    assert_eq!(world.signed_in("star").fetch("/star/x").status, 200);
}

fn a_role_that_users_write_themselves_is_warned_of() {
    for claim in ["nickname", "custom:role", "profile", "preferred_username"] {
        let table = format!("[[identity.roles]]\nclaim = {claim:?}");
        let (pool, upstream) = (FakePool::start(), Recorder::start());
        match Setup::bench().tables(&table).try_start_with(&pool, &upstream) {
            Ok(gate) => {
                let log = gate.stderr().all();
                assert!(log.contains(claim), "nothing is said of {claim}: {log}");
            }
            Err(refused) => assert_eq!(refused.code, Some(78), "{refused:#?}"),
        }
    }
}

fn no_groups_are_no_roles_soon_after() {
    let world = short_lived().start();
    world.pool.user(User::new("absent", &[]));
    world.pool.user(User::new("empty", &[]).with("cognito:groups", json!([])));
    world.pool.user(User::new("odd", &[]).with("cognito:groups", json!({"user": true})));
    world.pool.user(User::new("null", &[]).with("cognito:groups", Value::Null));
    world.pool.user(User::new("before", &["admin", "user"]));
    for name in ["absent", "empty", "odd", "null"] {
        let mut browser = world.signed_in(name);
        assert_eq!(browser.fetch("/x").status, 403, "{name}");
        let mark = world.mark();
        assert_eq!(browser.fetch("/public/x").status, 200, "{name}");
        assert_eq!(world.seen_since(mark)[0].head.all("x-roles"), [""], "{name}");
    }
    let mut browser = world.signed_in("before");
    let begun = std::time::Instant::now();
    assert_eq!(browser.fetch("/admin").status, 200);
    world.pool.change_user("before", |user| user.groups.clear());
    wait_until_due(begun);
    assert_eq!(browser.fetch("/admin").status, 403);
    assert_eq!(browser.fetch("/x").status, 403);
}

fn what_is_no_json_object_is_no_token(world: &World) {
    let claims = |change: fn(Vec<u8>) -> Vec<u8>| {
        world.pool.tamper(move |mint| {
            if mint.kind == Use::Id {
                mint.payload = Some(change(serde_json::to_vec(&mint.claims).unwrap()));
            }
        });
        login(world, "user").must_fail(world, 502, &["token_claims", "token_too_large"]);
    };
    claims(|honest| [b"\xef\xbb\xbf", &honest[..]].concat());
    claims(|honest| [&honest[..], b"x"].concat());
    claims(|honest| [&honest[..], &honest[..]].concat());
    claims(|honest| [&honest[..], b"\0"].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"x\":\"\xff\"}"].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"x\":\"\\ud800\"}"].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"sub\":\"admin\"}"].concat());
    claims(|honest| [b"{\"sub\":\"admin\",", &honest[1..]].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"x\":{\"y\":1,\"y\":2}}"].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"x\":1e999999}"].concat());
    claims(|honest| [&honest[..honest.len() - 1], b",\"x\":", "[".repeat(9_000).as_bytes()].concat());
    claims(|honest| {
        let depth = 4_000;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        [&honest[..honest.len() - 1], b",\"x\":", deep.as_bytes(), b"}"].concat()
    });
    claims(|_| b"[]".to_vec());
    claims(|_| b"\"x\"".to_vec());
    claims(|_| b"null".to_vec());
    claims(|_| b"{}x".to_vec());
    claims(|honest| [&honest[..], &vec![b' '; 50_000][..]].concat());
    for raw in [".".repeat(100_000), "a.".repeat(5_000), "A".repeat(100_000)] {
        refuse_id(world, &["token_malformed", "token_too_large"], move |mint| mint.raw = Some(raw.clone()));
    }
    let huge = "A".repeat(1 << 20);
    refuse_id(world, &["pool_answer"], move |mint| mint.raw = Some(huge.clone()));
    // A head that large is refused whatever it holds.
    let mut wire = Wire::connect(world.gate.public);
    let head =
        format!("GET /x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {}\r\n\r\n", "A".repeat(1 << 20));
    wire.write(head.as_bytes());
    assert_eq!(wire.answer(false).unwrap().status, 431);
}

fn keys_are_the_issuers_of_today() {
    // One key and no kid: it can only be that one. With two it could be either.
    let world = Setup::bench().unready().start_with(
        {
            let pool = FakePool::start();
            pool.show_keys(vec![jwk(&Key::ForId)]);
            pool
        },
        Recorder::start(),
    );
    crate::support::until("ready", || (world.gate.admin("/readyz").status == 200).then_some(()));
    world.pool.sign_with(Key::ForId, Key::ForId);
    accept(&world, |mint| drop(mint.header.remove("kid")));
    let two = World::bench();
    refuse_id(&two, &["token_unknown_key"], |mint| drop(mint.header.remove("kid")));

    // Both keys of the pool may sign both tokens; what a token is for is never read off its key.
    two.pool.be_honest();
    two.pool.sign_with(Key::ForAccess, Key::ForId);
    accept(&two, |_| {});
    refuse_id(&two, &["token_use"], |mint| mint.claim("token_use", "access"));
    refuse_access(&two, &["token_use"], |mint| mint.claim("token_use", "id"));
    two.pool.be_honest();

    // The kid of our key in another pool, with that pool's key.
    refuse_id(&two, &["token_signature"], |mint| {
        mint.claim("iss", "http://127.0.0.1:9/eu-central-1_OtherPool");
        mint.key = Key::Foreign;
    });
    refuse_id(&two, &["token_signature"], |mint| mint.key = Key::Foreign);
    two.pool.be_honest();

    // Two rotations; what is taken out of the set counts no more once the set was read again.
    let world = World::bench();
    login(&world, "user").must_succeed(&world, "user");
    world.pool.show_keys(vec![jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::Foreign, Key::Foreign);
    login(&world, "user").must_succeed(&world, "user");
    refuse_id(&world, &["token_unknown_key"], |mint| {
        mint.header.insert("kid".into(), json!(kid(&Key::ForId)));
        mint.key = Key::ForId;
    });
    let world = World::bench();
    world.pool.show_keys(vec![jwk(&Key::ForAccess), jwk(&Key::Foreign)]);
    world.pool.sign_with(Key::Foreign, Key::Foreign);
    login(&world, "user").must_succeed(&world, "user");
    world.pool.show_keys(vec![jwk(&Key::Foreign), jwk(&Key::ForId)]);
    world.pool.sign_with(Key::ForId, Key::Foreign);
    login(&world, "user").must_succeed(&world, "user");
}
