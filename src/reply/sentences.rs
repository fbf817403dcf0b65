//! Everything that the pages say. Each language has a module, and one that leaves a sentence out does not compile. ★
//!
//! A sentence is whole in its language: what it is about is put into it, and nothing is put together of halves.

use super::Language;

mod english;
mod french;
mod german;
mod japanese;
mod spanish;

/// A language.
pub(super) struct Sentences {
    /// Whose sentences these are.
    pub(super) language: Language,
    /// Between the names of a list.
    pub(super) comma: &'static str,
    /// Above the request's id.
    pub(super) request: &'static str,
    /// What the links of a page are, for those who do not see them.
    pub(super) next: &'static str,
    pub(super) links: Links,
    pub(super) own: Own,
    pub(super) refused: Refused,
    pub(super) login: LoginFailed,
    pub(super) needs: Needs,
}

/// A heading, and what there is to say below it.
pub(super) struct Text {
    pub(super) title: &'static str,
    pub(super) detail: &'static str,
}

/// What links say.
pub(super) struct Links {
    pub(super) sign_in: &'static str,
    pub(super) sign_in_again: &'static str,
    pub(super) another_account: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) sign_out_everywhere: &'static str,
    pub(super) start_page: &'static str,
    pub(super) retry: &'static str,
    pub(super) go_on: &'static str,
}

/// Pages on which nothing went wrong.
pub(super) struct Own {
    pub(super) signing_in: &'static str,
    pub(super) signed_in: &'static str,
    pub(super) signed_out: Text,
    pub(super) user: &'static str,
    pub(super) roles: &'static str,
    pub(super) no_roles: &'static str,
}

/// As `Refusal`.
pub(super) struct Refused {
    pub(super) login_required: Text,
    pub(super) bearer: Text,
    pub(super) nameless: Text,
    /// What is needed follows.
    pub(super) stronger: &'static str,
    /// Who is signed in, and what is needed, follow.
    pub(super) role_missing: &'static str,
    pub(super) method_not_named: Text,
    pub(super) address: Text,
    pub(super) client_certificate: Text,
    pub(super) origin: Text,
    pub(super) unwritable: Text,
    pub(super) outage: Text,
    pub(super) store_outage: Text,
    pub(super) tokens_not_kept: Text,
    pub(super) session_too_large: Text,
    pub(super) no_entropy: Text,
    pub(super) not_found: Text,
    pub(super) outside: Text,
    pub(super) method: Text,
    pub(super) misdirected: Text,
    pub(super) cleartext: Text,
    pub(super) target_too_long: Text,
    pub(super) head_too_large: Text,
    pub(super) expectation: Text,
    pub(super) ambiguous: Text,
    pub(super) body_too_large: Text,
    pub(super) body_slow: Text,
    pub(super) body_broke_off: Text,
    pub(super) upstream: Text,
    pub(super) upstream_slow: Text,
    pub(super) upstream_busy: Text,
    pub(super) crowded: Text,
}

/// As `LoginRefusal`.
pub(super) struct LoginFailed {
    pub(super) bad_link: Text,
    pub(super) bad_return: Text,
    pub(super) cookies_off: Text,
    /// The pool's own words may follow.
    pub(super) denied: Text,
    /// The pool's own words follow.
    pub(super) pool_said: Text,
    pub(super) pool_answer: Text,
    pub(super) pool_unreachable: Text,
    pub(super) too_large: Text,
    pub(super) email_not_verified: Text,
    pub(super) claim_unwritable: Text,
    pub(super) called_as_client: Text,
    pub(super) no_identity: Text,
    /// Who is signed in and what is needed stand between the two.
    pub(super) not_strong_enough: Text,
    pub(super) too_many: &'static str,
    /// Seconds until the next one.
    pub(super) too_many_for: fn(u64) -> String,
}

/// What a rule asks. Names come as they are, several of them with `comma` between.
pub(super) struct Needs {
    pub(super) signed_in_as: fn(&str) -> String,
    pub(super) role: fn(&str) -> String,
    pub(super) one_of_roles: fn(&str) -> String,
    pub(super) all_roles: fn(&str) -> String,
    pub(super) scope: fn(&str) -> String,
    pub(super) one_of_scopes: fn(&str) -> String,
    pub(super) certain_people: &'static str,
    pub(super) email_domain: fn(&str) -> String,
    pub(super) one_of_email_domains: fn(&str) -> String,
    pub(super) class: fn(&str) -> String,
    /// Minutes.
    pub(super) recent: fn(u64) -> String,
}

// === impl Sentences ===

impl Sentences {
    /// Those of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::SENTENCES,
            Language::German => &german::SENTENCES,
            Language::French => &french::SENTENCES,
            Language::Spanish => &spanish::SENTENCES,
            Language::Japanese => &japanese::SENTENCES,
        }
    }
}

const fn text(title: &'static str, detail: &'static str) -> Text {
    Text { title, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_sentences_and_names_what_it_is_about() {
        for language in Language::ALL {
            let say = Sentences::of(language);
            assert_eq!(say.language, language);
            let Needs { signed_in_as, role, one_of_roles, all_roles, scope, one_of_scopes, .. } = &say.needs;
            let Needs { email_domain, one_of_email_domains, class, .. } = &say.needs;
            for sentence in [
                signed_in_as,
                role,
                one_of_roles,
                all_roles,
                scope,
                one_of_scopes,
                email_domain,
                one_of_email_domains,
                class,
            ] {
                assert_eq!(sentence("<&>").matches("<&>").count(), 1, "{language:?}: {}", sentence("<&>"));
            }
            for sentence in [say.needs.recent, say.login.too_many_for] {
                assert!(sentence(4711).contains("4711"), "{language:?}: {}", sentence(4711));
            }
            assert_ne!((say.needs.recent)(1), (say.needs.recent)(2));
        }
        let titles: std::collections::BTreeSet<_> =
            Language::ALL.map(|language| Sentences::of(language).refused.role_missing).into();
        assert_eq!(titles.len(), Language::ALL.len());
    }
}
