//! English: also what programs are told. ★

use super::{Language, Links, LoginFailed, Needs, Own, Refused, Sentences, text};

pub(super) static SENTENCES: Sentences = Sentences {
    language: Language::English,
    comma: ", ",
    request: "request",
    next: "What to do next",
    links: Links {
        sign_in: "Sign in",
        sign_in_again: "Sign in again",
        another_account: "Use another account",
        sign_out: "Sign out",
        sign_out_everywhere: "Sign out everywhere",
        start_page: "Start page",
        retry: "Try again",
        go_on: "Go on",
    },
    own: Own {
        signing_in: "Signing in",
        signed_in: "You are signed in",
        signed_out: text("You are signed out", "There is no session here any more."),
        user: "User",
        roles: "Roles",
        no_roles: "none",
    },
    refused: Refused {
        login_required: text("Please sign in", "This needs a signed-in session."),
        bearer: text("The token does not count", "The bearer token of this request is not valid here."),
        nameless: text(
            "The token names nobody",
            "The bearer token of this request is valid, but does not say who it speaks for in the way that this service needs.",
        ),
        stronger: "Please sign in again",
        role_missing: "You may not see this",
        method_not_named: text(
            "This method is not allowed here",
            "No rule for this path names the method of your request.",
        ),
        address: text("You may not see this from here", "This path is not open to your network address."),
        client_certificate: text(
            "A client certificate is needed",
            "This is open only to those who show a certificate when they connect, and your browser or program showed none that counts.",
        ),
        origin: text(
            "Connection refused",
            "A page of another site tried to open a connection with your session.",
        ),
        unwritable: text(
            "Your account cannot be passed on",
            "Something in your account cannot be written as a header; the administrator can see what in the log.",
        ),
        outage: text(
            "Please try again in a moment",
            "What your request carries has to be checked with the sign-in service, and that cannot be reached.",
        ),
        store_outage: text(
            "Please try again in a moment",
            "Who is signed in here is kept at a place that cannot be reached. Nobody has been signed out.",
        ),
        tokens_not_kept: text(
            "Your browser did not send all of the sign-in",
            "You are signed in, but the cookie that this page needs besides was not kept. It may be blocked, or too large for a proxy on the way.",
        ),
        session_too_large: text(
            "There is too much about your account",
            "You are signed in, but what the sign-in service now says about your account does not fit into your browser's cookies any more. Once there is less, sign out and in again.",
        ),
        no_entropy: text(
            "Something is wrong here",
            "The system has no randomness to give, so nothing can be signed in.",
        ),
        not_found: text(
            "There is no such page",
            "The address lies under the gate's own prefix, and nothing is there.",
        ),
        outside: text("There is nothing here", "The address is not one that the application serves."),
        method: text("This method is not allowed here", "The address does not answer this kind of request."),
        misdirected: text("Wrong address", "This service is reached under another host name."),
        cleartext: text(
            "This address is not encrypted",
            "What was sent here could be read on the way, and has not been passed on. The address begins with https://.",
        ),
        target_too_long: text(
            "The address is too long",
            "The address of this request is longer than this service accepts.",
        ),
        head_too_large: text(
            "Your browser sent too much",
            "The headers of the request, cookies included, are larger than this service accepts. The gate's own cookies have been cleared.",
        ),
        expectation: text(
            "Expectation failed",
            "The request expects something that this service does not do.",
        ),
        ambiguous: text(
            "This request has no single meaning",
            "Servers could read this address or request in different ways, so it was refused.",
        ),
        body_too_large: text(
            "What you sent is too large",
            "The body of the request is larger than this service accepts.",
        ),
        body_slow: text("Your request came too slowly", "Its body stopped before its end."),
        body_broke_off: text("Your request broke off", "Its body ended before it should have."),
        upstream: text(
            "The application cannot be reached",
            "You are through the gate, but what lies behind it gave no usable answer.",
        ),
        upstream_slow: text("The application is too slow", "It did not answer in time."),
        upstream_busy: text(
            "The application is busy",
            "It has as many requests to answer as it can take. Try again in a few seconds.",
        ),
        crowded: text(
            "Too many requests at once",
            "From where you are, as many are being answered as may be. Try again in a few seconds.",
        ),
    },
    login: LoginFailed {
        bad_link: text(
            "This link to sign in does not work",
            "It is cut short, or asks for something that is not offered here.",
        ),
        bad_return: text(
            "The sign-in could not be finished",
            "The sign-in service sent your browser back with an address that is not as it should be.",
        ),
        cookies_off: text(
            "Your browser did not send the sign-in cookie",
            "Signing in needs cookies for this site. Allow them, then sign in.",
        ),
        denied: text("The sign-in was refused", "The sign-in service did not let you in."),
        pool_said: text("The sign-in did not work", "The sign-in service reported an error."),
        pool_answer: text(
            "The sign-in did not work",
            "The sign-in service gave an answer that cannot be trusted. The administrator can see why in the log.",
        ),
        pool_unreachable: text(
            "Signing in is not possible right now",
            "The sign-in service cannot be reached. Whoever is signed in already stays so.",
        ),
        too_large: text(
            "There is too much about your account",
            "What the sign-in service says about your account does not fit into your browser's cookies.",
        ),
        email_not_verified: text(
            "Your account cannot be used here",
            "Your e-mail address is not verified at the sign-in service. Verify it there, then sign in.",
        ),
        claim_unwritable: text(
            "Your account cannot be used here",
            "The sign-in service says something about your account that this service cannot pass on. Its operator finds it in the log under the number below.",
        ),
        called_as_client: text(
            "Your account cannot be used here",
            "Your user name is that of a program, so nobody could tell the two of you apart.",
        ),
        no_identity: text(
            "Your account cannot be used here",
            "The sign-in service did not say who you are in the way that this service needs. Its operator finds the reason in the log under the number below.",
        ),
        not_strong_enough: text(
            "This needs a stronger sign-in",
            "The sign-in service did not say that you have done so.",
        ),
        too_many: "Too many sign-ins",
        too_many_for: |seconds| {
            format!(
                "So many sign-ins came from your network address within a minute that this one has to wait; try again in {seconds} s."
            )
        },
    },
    needs: Needs {
        signed_in_as: |user| format!("You are signed in as {user}."),
        role: |role| format!("This page needs the role {role}."),
        one_of_roles: |roles| format!("This page needs one of the roles {roles}."),
        all_roles: |roles| format!("This page needs each of these roles: {roles}."),
        scope: |scope| format!("This page needs the scope {scope}."),
        one_of_scopes: |scopes| format!("This page needs one of the scopes {scopes}."),
        certain_people: "This page is for certain people.",
        email_domain: |domain| format!("This page needs a verified e-mail address at {domain}."),
        one_of_email_domains: |domains| {
            format!("This page needs a verified e-mail address at one of the domains {domains}.")
        },
        class: |class| format!("This page needs a sign-in of the class {class} or stronger."),
        recent: |minutes| match minutes {
            1 => "This page needs a sign-in within the last minute.".into(),
            _ => format!("This page needs a sign-in within the last {minutes} minutes."),
        },
    },
};
